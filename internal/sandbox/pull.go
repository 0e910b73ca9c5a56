package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
)

// endPage is the page number that says that the session is over.
const endPage = -1

// puller pulls the pages of one import. Only its own goroutine uses it.
type puller struct {
	s   *InTandem
	im  *Import
	uri string
	// first is closed when page 1 has come, or never will.
	first    chan struct{}
	once     sync.Once
	keep     map[string]bool
	requests int
	held     []event
	events   int
}

// errTooMany says that a session has more clients than allowed.
var errTooMany = errors.New("the session has more clients than allowed")

// pull asks for pages until one has fewer clients than asked for, then says
// that the session is over.
func (s *InTandem) pull(p *puller) {
	defer p.cameFirst()
	err := p.pages()
	if err == nil {
		_, err = p.ask(endPage)
	}
	s.mu.Lock()
	p.im.Completed = err == nil
	if err != nil {
		p.im.Error = err.Error()
	}
	s.mu.Unlock()
	p.tell()
	s.end(p.im)
}

func (s *InTandem) end(im *Import) {
	s.mu.Lock()
	defer s.mu.Unlock()
	im.Ended, im.EndedAt = true, s.opts.Now()
	close(s.changed)
	s.changed = make(chan struct{})
	s.opts.Logger.Info("import ended", "session", im.SessionID, "completed", im.Completed, "pages", len(im.Pages),
		"created", im.Created, "updated", im.Updated, "skipped", im.Skipped, "failed", im.Failed, "error", im.Error)
}

func (p *puller) cameFirst() { p.once.Do(func() { close(p.first) }) }

func (p *puller) pages() error {
	if p.uri == "" {
		return errors.New("the app has no api_uri: set it first")
	}
	total := 0
	for number := 1; ; number++ {
		clients, err := p.ask(number)
		p.cameFirst()
		if err != nil {
			return err
		}
		if perPage := p.s.opts.PerPage; len(clients) > perPage {
			return fmt.Errorf("page %d: %d clients where %d were asked for", number, len(clients), perPage)
		}
		total += len(clients)
		if limit := p.s.opts.MaxClients; total > limit {
			return fmt.Errorf("%w: %d after page %d, at most %d", errTooMany, total, number, limit)
		}
		last := len(clients) < p.s.opts.PerPage
		p.s.take(p, clients)
		p.note(last)
		if last {
			return nil
		}
		if err := p.s.sleep(p.s.opts.Pull.Pause); err != nil {
			return err
		}
	}
}

// ask asks for one page, in all the ways that the options want, and adds it to
// the import.
func (p *puller) ask(number int) ([]json.RawMessage, error) {
	p.requests++
	page := Page{Number: number}
	defer func() {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		p.im.Pages = append(p.im.Pages, page)
	}()
	if n := p.s.opts.Pull.BreakEvery; n > 0 && p.requests%n == 0 {
		if err := p.drop(&page); err != nil {
			return nil, err
		}
	}
	body, err := p.fetch(&page)
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", number, err)
	}
	if p.repeats() {
		again, err := p.fetch(&page)
		if err != nil {
			return nil, fmt.Errorf("page %d again: %w", number, err)
		}
		page.Differs = string(again) != string(body)
	}
	sum := sha256.Sum256(body)
	page.Bytes, page.SHA256 = len(body), hex.EncodeToString(sum[:])
	var answer struct {
		Data *struct {
			Clients []json.RawMessage `json:"clients"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("page %d: the answer is not JSON: %w", number, err)
	}
	if answer.Data == nil || answer.Data.Clients == nil {
		return nil, fmt.Errorf("page %d: the answer has no data.clients", number)
	}
	page.Clients = len(answer.Data.Clients)
	return answer.Data.Clients, nil
}

func (p *puller) repeats() bool {
	pull := p.s.opts.Pull
	if pull.RepeatEvery > 0 && p.requests%pull.RepeatEvery == 0 {
		return true
	}
	if pull.RepeatChance <= 0 {
		return false
	}
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.random.Float64() < pull.RepeatChance
}

// take imports the clients of the page that was asked for last.
func (s *InTandem) take(p *puller, clients []json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	page := &p.im.Pages[len(p.im.Pages)-1]
	for i, raw := range clients {
		p.im.Clients = append(p.im.Clients, raw)
		p.im.Received++
		r := p.takeApart(raw)
		if r.reason != "" {
			p.im.Failed++
			page.Failed.add(r.externalID)
			p.im.Failures = append(p.im.Failures, Failure{Page: page.Number, Index: i, ExternalID: r.externalID, Reason: r.reason})
			continue
		}
		s.store(p.im, page, r)
	}
}

// store creates, updates or skips one client.
func (s *InTandem) store(im *Import, page *Page, r received) {
	now := s.opts.Now()
	have := s.people.find(r.values["email"])
	switch {
	case have == nil:
		s.people.add(&Client{
			UID: s.newID(), ExternalID: r.externalID, Fields: r.values, Matters: r.matters, Tags: []string{im.tag},
			Source: s.opts.AppName, Imports: 1, CreatedAt: now, UpdatedAt: now,
		})
		im.Created++
		page.Created.add(r.externalID)
	case im.Params.ShouldOverride:
		if have.Fields == nil {
			have.Fields = make(map[string]string)
		}
		maps.Copy(have.Fields, r.values)
		have.Matters = mergeMatters(have.Matters, r.matters)
		if r.externalID != "" {
			have.ExternalID = r.externalID
		}
		have.Tags = append(have.Tags, im.tag)
		have.Imports++
		have.UpdatedAt = now
		im.Updated++
		page.Updated.add(r.externalID)
	default:
		im.Skipped++
		page.Skipped.add(r.externalID)
	}
}
