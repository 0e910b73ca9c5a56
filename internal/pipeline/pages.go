package pipeline

import (
	"context"
	"fmt"
	"sync"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// pageLimit is the number of records asked for at a time: enough to make the
// cost of a call disappear, small enough for a page to stay under its bound.
const pageLimit = 500

// mappedPage is a page and what became of its records.
type mappedPage struct {
	page   *sdk.Page
	mapped *roster.Mapped
	// ids, standings and rows are, for each record of a sync, its id, what is
	// remembered of it and its digest.
	ids       []string
	standings []roster.Standing
	rows      []uint64
	err       error
}

// pageMapper maps one page. It is called concurrently.
type pageMapper func(ctx context.Context, page *sdk.Page) mappedPage

// pager reads the pages of one kind ahead and maps several at a time, and
// hands them out in the order in which they were read.
type pager struct {
	queue  chan chan mappedPage
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// newPager starts reading behind after. Close must be called.
func newPager(ctx context.Context, parallel int, read readFunc, mapPage pageMapper, kind sdk.Kind, after sdk.Cursor) *pager {
	ctx, cancel := context.WithCancel(ctx)
	p := &pager{queue: make(chan chan mappedPage, max(parallel, 1)), cancel: cancel}
	p.wg.Go(func() { p.read(ctx, mapPage, read, kind, after) })
	return p
}

// readFunc reads one page, waiting and repeating where the source asks for it.
type readFunc func(ctx context.Context, req sdk.ReadRequest) (*sdk.Page, error)

func (p *pager) read(ctx context.Context, mapPage pageMapper, read readFunc, kind sdk.Kind, after sdk.Cursor) {
	defer close(p.queue)
	for {
		slot := make(chan mappedPage, 1)
		page, err := readPage(ctx, read, sdk.ReadRequest{Kind: kind, After: after, Limit: pageLimit})
		if err == nil && string(page.Next) == string(after) && !page.Done {
			err = sdk.Fail(sdk.CodeInternal, fmt.Errorf("the source answered a page of kind %s whose cursor does not move", kind))
		}
		if err != nil {
			slot <- mappedPage{err: fmt.Errorf("read %s: %w", kind, err)}
		} else {
			p.wg.Go(func() { slot <- contained(ctx, mapPage, page) })
		}
		select {
		case p.queue <- slot:
		case <-ctx.Done():
			return
		}
		if err != nil || page.Done {
			return
		}
		after = page.Next
	}
}

// readPage runs in a goroutine of its own, so it contains a panic itself.
func readPage(ctx context.Context, read readFunc, req sdk.ReadRequest) (page *sdk.Page, err error) {
	defer func() {
		if recover() != nil {
			err = panicked()
		}
	}()
	return read(ctx, req)
}

// contained runs in a goroutine of its own, so it contains a panic itself.
func contained(ctx context.Context, mapPage pageMapper, page *sdk.Page) (out mappedPage) {
	defer func() {
		if recover() != nil {
			out = mappedPage{err: panicked()}
		}
	}()
	if page.Rows == 0 {
		return mappedPage{page: page, mapped: &roster.Mapped{}}
	}
	return mapPage(ctx, page)
}

// next returns the next page, or false behind the last one.
func (p *pager) next() (mappedPage, bool) {
	slot, ok := <-p.queue
	if !ok {
		return mappedPage{}, false
	}
	return <-slot, true
}

// close stops reading and waits until nothing of the pager runs.
func (p *pager) close() {
	p.cancel()
	p.wg.Wait()
}
