package bolt

import (
	"go.etcd.io/bbolt"

	"github.com/rosterd/rosterd/internal/roster"
)

// walker finds keys that mostly ascend: it steps from one to the next where that
// is near, which costs a tenth of a search from the root.
type walker struct {
	of  *tree
	raw *bbolt.Cursor
	// key and value are where the cursor stands, nil behind the end; before is the
	// key that was looked for last.
	key, value, before []byte
	placed             bool
	sought             []byte
}

// near is how many steps are tried before a search.
const near = 6

func newWalker(of *tree) *walker {
	w := &walker{of: of}
	if of != nil {
		w.raw = of.raw.Cursor()
	}
	return w
}

// find returns the value under a key, nil where there is none. It is valid until
// the transaction ends.
func (w *walker) find(key string) []byte {
	if w.raw == nil {
		return nil
	}
	w.move(key)
	w.before, w.placed = append(w.before[:0], key...), true
	if w.key == nil || string(w.key) != key {
		return nil
	}
	return w.of.open(w.key, w.value)
}

func (w *walker) move(key string) {
	if w.placed && string(w.before) <= key {
		// Nothing lies between the key before and the place of the cursor.
		for range near {
			if w.key == nil || string(w.key) >= key {
				return
			}
			w.key, w.value = w.raw.Next()
		}
		if w.key == nil || string(w.key) >= key {
			return
		}
	}
	w.sought = append(w.sought[:0], key...)
	w.key, w.value = w.raw.Seek(w.sought)
}

// linkFinder looks up the links of a route.
type linkFinder struct {
	direction int
	links     *walker
	// back finds the forward id of a backward one; nil on a forward route.
	back *walker
}

func newLinkFinder(tx *txn, route roster.Route) *linkFinder {
	name := linksName(route)
	f := &linkFinder{direction: directionOf(route), links: newWalker(peek(tx, bucketLinks, name))}
	if f.direction == backward {
		f.back = newWalker(peek(tx, bucketLinksBack, name))
	}
	return f
}

// find returns the row of the link of a source id, and the id under which it is
// stored; the row is nil where there is none.
func (f *linkFinder) find(source string) (row []byte, first string) {
	if f.back == nil {
		return f.links.find(source), source
	}
	key := f.back.find(source)
	if key == nil {
		return nil, ""
	}
	first = string(key)
	if row = f.links.find(first); row == nil {
		row = []byte{} // it is damaged, and not absent
	}
	return row, first
}

// linksName names the buckets of a link set and a kind.
func linksName(route roster.Route) string { return route.LinkSet() + " " + string(route.Kind) }
