package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// guaranteeTime bounds how long a connection may take to say what it writes.
const guaranteeTime = 10 * time.Second

// guarantee fills in what is promised of the connections that are targets of a
// sync. All of them are asked at once, and nobody outside is called.
func (o operations) guarantee(ctx context.Context, all []admin.ConnectionInfo) {
	ctx, cancel := context.WithTimeout(ctx, guaranteeTime)
	defer cancel()
	var wg sync.WaitGroup
	now := o.p.now()
	for i := range all {
		if !now.isTarget(all[i].Ref) || all[i].Check != nil {
			continue // an adapter that cannot be started is told once
		}
		wg.Go(func() {
			var err error
			if all[i].Guarantees, err = now.guarantees(ctx, all[i].Ref); err != nil {
				all[i].Unknown = asFault(err).Message
			}
		})
	}
	wg.Wait()
}

func (p view) isTarget(ref string) bool {
	return slices.ContainsFunc(p.cfg.Jobs, func(j roster.Job) bool { return j.Type == roster.JobSync && j.To == ref })
}

// guarantees asks a connection what it writes.
func (p view) guarantees(ctx context.Context, ref string) ([]admin.Guarantee, error) {
	conn, err := p.connectReadOnly(ctx, ref, sdk.AbilityTarget)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing was done with it
	info, err := conn.Target(ctx)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", ref, err)
	}
	finds := conn.Has(sdk.AbilityFinder)
	var out []admin.Guarantee
	for _, k := range info.Kinds {
		if k.Kind == sdk.KindStaff {
			continue // staff are associated and never written
		}
		out = append(out, admin.Guarantee{
			Kind: k.Kind, Class: k.Class, ExecLag: k.ExecLag.Milliseconds(), IndexLag: k.IndexLag.Milliseconds(), Text: promise(k, finds),
		})
	}
	return out, nil
}

// promise is what is promised of creates, in one sentence that a customer can be
// shown. Finds says that records can be looked for; where they cannot, what rests
// on a search is left to a person.
func promise(k sdk.TargetKind, finds bool) string {
	const asks = "After a lost answer rosterd asks a person; it never sends twice."
	if !k.Can(sdk.OpCreate) {
		return "Nothing is created: the system has no call for it."
	}
	rests := fmt.Sprintf("rests on the system finishing a request within %s and finding a new record within %s.", span(k.ExecLag), span(k.IndexLag))
	switch k.Class {
	case sdk.ClassA:
		return fmt.Sprintf("A lost answer creates no duplicate: each record is sent with a key by which the system knows a repetition for %s; "+
			"when that time may be over, rosterd asks a person.", span(k.KeyTTL))
	case sdk.ClassB:
		return "A lost answer creates no duplicate: each record is written under an id of its own, and writing it again changes nothing."
	case sdk.ClassBPrime:
		if finds {
			return fmt.Sprintf("A lost answer creates no duplicate: the system refuses a second record with the same %s, and rosterd takes the one that is there "+
				"for its own only where it has every value that was sent, and otherwise asks a person; %s", k.Unique, rests)
		}
		return fmt.Sprintf("A lost answer creates no duplicate: the system refuses a second record with the same %s, and rosterd asks a person.", k.Unique)
	case sdk.ClassC:
		if finds {
			return "A lost answer creates no duplicate: each record carries a marker by which it is found again; " + rests
		}
	case sdk.ClassD:
		if finds {
			return fmt.Sprintf("A lost answer creates no duplicate: rosterd looks for a record with the same %s, asks a person where there is one, "+
				"and sends again only where there is none; %s", strings.Join(k.Natural, " and "), rests)
		}
	case sdk.ClassE:
	}
	return asks
}

// span prints a time as a customer reads it.
func span(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// showGuarantees prints what is promised, once for the kinds of which the same is.
func (c *cli) showGuarantees(n admin.ConnectionInfo) {
	for i, g := range n.Guarantees {
		same := func(other admin.Guarantee) bool { return other.Class == g.Class && other.Text == g.Text }
		if slices.ContainsFunc(n.Guarantees[:i], same) {
			continue
		}
		var kinds []sdk.Kind
		for _, other := range n.Guarantees {
			if same(other) {
				kinds = append(kinds, other.Kind)
			}
		}
		fmt.Fprintf(c.stdout, "%s  %s (class %s)\n    %s\n", n.Ref, join(kinds), g.Class, g.Text)
	}
	if n.Unknown != "" {
		fmt.Fprintf(c.stdout, "%s  what is promised of its creates is not known: %s\n", n.Ref, n.Unknown)
	}
}
