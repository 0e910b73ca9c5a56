package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxPageBytes bounds one page that an app may answer.
const maxPageBytes = 64 << 20

// errDown says that the app could not be reached or is out of order; it is
// tried again.
var errDown = errors.New("the app is down")

// fetch asks for a page and tries again while the app is down. Every other
// answer than 200 ends the import: the documents do not say what inTandem does
// about one.
func (p *puller) fetch(page *Page) ([]byte, error) {
	var body []byte
	tries := 0
	err := p.s.persist(func() error {
		tries++
		var err error
		body, err = p.get(page)
		return err
	})
	page.Retries += tries - 1
	return body, err
}

// persist calls try again while the app is down, for as long as the options
// allow.
func (s *InTandem) persist(try func() error) error {
	delay, waited := s.opts.Pull.RetryDelay, time.Duration(0)
	for {
		err := try()
		if !errors.Is(err, errDown) || waited+delay > s.opts.Pull.RetryFor {
			return err
		}
		if err := s.sleep(delay); err != nil {
			return err
		}
		waited += delay
		delay = min(2*delay, maxRetryDelay)
	}
}

func (p *puller) get(page *Page) ([]byte, error) {
	resp, cancel, err := p.send(page)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer func() { _ = resp.Body.Close() }() // the body is read or given up
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code >= 500:
		return nil, fmt.Errorf("%w: it answered %d", errDown, code)
	case code != http.StatusOK:
		return nil, fmt.Errorf("the app answered %d, expected 200", code)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPageBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: the answer is cut: %w", errDown, err)
	}
	if len(body) > maxPageBytes {
		return nil, fmt.Errorf("the answer is over %d bytes", maxPageBytes)
	}
	return body, nil
}

// drop asks for a page, reads a part of the answer and breaks the connection.
// An app that is down is left to the request that follows.
func (p *puller) drop(page *Page) error {
	resp, cancel, err := p.send(page)
	if errors.Is(err, errDown) {
		return nil
	}
	if err != nil {
		return err
	}
	_, _ = io.ReadFull(resp.Body, make([]byte, 16)) // a shorter answer breaks as well
	cancel()
	_ = resp.Body.Close() // broken on purpose
	page.Broken++
	return nil
}

func (p *puller) send(page *Page) (*http.Response, context.CancelFunc, error) {
	ctx, cancel := context.WithCancel(p.s.ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.address(page.Number), nil)
	if err != nil {
		cancel()
		return nil, nil, errors.New("the api_uri is not a URL")
	}
	page.Requests++
	resp, err := p.s.client.Do(req)
	if err == nil {
		return resp, cancel, nil
	}
	cancel()
	if p.s.ctx.Err() != nil {
		return nil, nil, errClosed
	}
	// The URL holds the app's secret: only the cause is told.
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return nil, nil, fmt.Errorf("%w: %w", errDown, err)
}

// address is where page number n is asked for (seed document, "Export
// request").
func (p *puller) address(n int) string {
	query := url.Values{
		"business_uid": {p.s.opts.BusinessUID},
		"staff_uid":    {p.s.opts.StaffUID},
		"page":         {strconv.Itoa(n)},
		"per_page":     {strconv.Itoa(p.s.opts.PerPage)},
	}
	return strings.TrimSuffix(p.uri, "/") + "/app/clients/export?" + query.Encode()
}

// errClosed says that the platform was closed in the middle of an import.
var errClosed = errors.New("the simulated inTandem was closed")

func (s *InTandem) sleep(d time.Duration) error {
	if d <= 0 {
		if s.ctx.Err() != nil {
			return errClosed
		}
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return errClosed
	}
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
