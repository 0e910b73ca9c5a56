package pipeline

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/roster"
)

func compareText(a, b string) int { return strings.Compare(a, b) }

// judgeSync lets the guards see the whole change set of a sync. A run that they
// block has written nothing anywhere.
func judgeSync(ctx context.Context, p *preparation) (judgement, error) {
	c := p.collect.(*comparer) //nolint:forcetypeassert // A sync is collected by a comparer.
	linked, err := c.linked(ctx)
	if err != nil {
		return judgement{}, err
	}
	var broken []string
	guards := c.sync.Options.Guards
	if guards.BlockEmptySource && p.whole() {
		broken = c.emptied(linked)
	}
	for _, g := range []struct {
		name, what string
		limit      roster.Limit
		n          int
	}{
		{"max_create", "create or link", guards.MaxCreate, p.counts.ToCreate + p.counts.ToLink},
		{"max_update", "update", guards.MaxUpdate, p.counts.ToUpdate + c.reopening},
		{"max_deactivate", "deactivate", guards.MaxDeactivate, p.counts.ToDeactivate},
	} {
		if most := allowed(g.limit, linked); g.n > most {
			broken = append(broken, fmt.Sprintf("it would %s %d records where %s allows %d", g.what, g.n, g.name, most))
		}
	}
	broken = append(broken, c.blanked(guards.BlankField, linked)...)
	if len(broken) > 0 {
		return judgement{state: roster.RunBlocked, fault: &roster.Fault{
			Code: "guard.limit", Message: "nothing was written: " + strings.Join(broken, "; "),
			Hint: "look at the changes with `rosterd plan --run " + p.run.ID + "`, then let them through with `rosterd approve " + p.run.ID +
				"`, or correct the job's guards or its script",
		}}, nil
	}
	if p.run.Plan {
		return judgement{state: roster.RunPlanned}, nil
	}
	if kind, ok := c.unprovable(); ok {
		return judgement{state: roster.RunBlocked, fault: restoredFault(p.run.Job, kind)}, nil
	}
	return judgement{state: roster.RunDelivering}, nil
}

// emptied says that the source is empty, or of which kinds it has nothing although
// linked records are taken for gone by that. What is not read for now is not empty.
func (c *comparer) emptied(linked int) (broken []string) {
	if c.p.counts.Read == 0 && len(c.p.unread) == 0 && linked > 0 {
		return []string{fmt.Sprintf("the source is empty, and %d of its records are linked (empty_source)", linked)}
	}
	for _, kind := range c.p.flow.Kinds {
		if n := c.going[kind]; n > 0 && !c.p.some[kind] {
			broken = append(broken, fmt.Sprintf("the source has no record of kind %s, and %d are linked (empty_source)", kind, n))
		}
	}
	return broken
}

// linked is the number of links of the run's kinds.
func (c *comparer) linked(ctx context.Context) (int, error) {
	sum := 0
	for _, kind := range c.p.flow.Kinds {
		n, err := c.sync.Links.CountLinks(ctx, c.sync.route(kind))
		if err != nil {
			return 0, fmt.Errorf("count links: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// allowed is the number of records that a limit allows. A share is rounded up, so
// that a small share of few records is still one.
func allowed(l roster.Limit, linked int) int {
	if !l.Relative {
		return l.Count
	}
	return int(math.Ceil(l.Percent * float64(linked) / 100))
}

// blanked names the fields that would become empty in more records than the
// limit allows.
func (c *comparer) blanked(limit roster.Limit, linked int) []string {
	var broken []string
	for field, n := range c.blanks {
		if most := allowed(limit, linked); n > most {
			kind, name, _ := strings.Cut(field, " ")
			broken = append(broken, fmt.Sprintf("it would empty the field %s of %d records of kind %s where blank_field allows %d", name, n, kind, most))
		}
	}
	slices.Sort(broken)
	return broken
}
