package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// redrawEvery is how often a status that is watched is asked for.
const redrawEvery = 2 * time.Second

// home puts what follows at the top of an empty screen.
const home = "\x1b[H\x1b[J"

// watchStatus shows the status again and again until the command is ended. Each time it asks
// for the daemon anew: the stored state of one that is down is held no longer than
// it takes to read it, so that the daemon can be started.
func (c *cli) watchStatus(cmd *cobra.Command) error {
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	return c.screens(cmd, tick.C, terminal(c.stdout), (*cli).oneStatus)
}

// terminal reports whether a person looks at out.
func terminal(out io.Writer) bool {
	f, ok := out.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// screens draws at once and at each tick, until the command is ended. What goes wrong the first
// time ends it, and is shown in place of the screen later.
func (c *cli) screens(cmd *cobra.Command, tick <-chan time.Time, redraws bool, draw func(*cli, context.Context) error) error {
	ctx, at := cmd.Context(), time.Now()
	for first := true; ; first = false {
		// A screen is written at once, so that it does not flicker.
		var page bytes.Buffer
		drawn := *c
		drawn.stdout, drawn.stderr = &page, &page
		err := draw(&drawn, ctx)
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		if err != nil {
			if first {
				return err
			}
			drawn.complain(cmd, err)
		}
		c.writeScreen(page.Bytes(), at, first, redraws)
		select {
		case <-ctx.Done():
			return nil
		case at = <-tick:
		}
	}
}

// writeScreen writes one screen: over the one before where it redraws, else
// behind it, with the time between them. JSON has nothing between.
func (c *cli) writeScreen(page []byte, at time.Time, first, redraws bool) {
	switch {
	case c.json:
	case redraws:
		fmt.Fprintf(c.stdout, home+"%severy %s; Ctrl-C ends it\n", page, redrawEvery)
		return
	case !first:
		fmt.Fprintf(c.stdout, "--- %s\n", at.Format(time.RFC3339))
	}
	c.stdout.Write(page) //nolint:errcheck // as with every other line
}
