package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/config"
)

// findingState says what a check has found.
type findingState string

const (
	checkOK   findingState = "ok"
	checkWarn findingState = "warning"
	checkFail findingState = "failed"
	checkSkip findingState = "skipped"
)

// diagnosis is one thing that a check has looked at.
type diagnosis struct {
	Check   string       `json:"check"`
	State   findingState `json:"state"`
	Message string       `json:"message"`
	// Mend says what to do.
	Mend string `json:"mend,omitempty"`
}

// doctor looks at an installation.
type doctor struct {
	c   *cli
	cfg *config.Config
	now time.Time
	// list is what was found so far, check the name of the running check.
	list  []diagnosis
	check string
}

func (d *doctor) say(state findingState, mend, format string, args ...any) {
	d.list = append(d.list, diagnosis{Check: d.check, State: state, Message: fmt.Sprintf(format, args...), Mend: mend})
}

// namedCheck is a check that can be asked for.
type namedCheck struct {
	name string
	run  func(d *doctor, ctx context.Context)
}

// checkTime bounds one check.
const checkTime = time.Minute

func checks() []namedCheck {
	return []namedCheck{
		{"secrets", (*doctor).secrets},
		{"state", (*doctor).state},
		{"disk", (*doctor).disk},
		{"clock", (*doctor).clock},
		{"limits", (*doctor).limits},
		{"pins", (*doctor).pins},
		{"dns", (*doctor).dns},
		{"tls", (*doctor).tls},
		{"credentials", (*doctor).credentials},
		{"public", (*doctor).public},
	}
}

// checkNames are the names of all checks; the configuration comes first.
func checkNames() []string {
	names := []string{"configuration"}
	for _, one := range checks() {
		names = append(names, one.name)
	}
	return names
}

func (c *cli) doctorCommand() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check the installation and say how to mend what is wrong", Args: exactly(),
		Long: `Check the installation: ` + strings.Join(checkNames(), ", ") + `.
It changes nothing, and reaches no system but those that the configuration names.
Run it as the daemon's user: others may not read its secrets.

Exit code 0 says that nothing has to be mended, 1 that something has, and 78 that
the configuration itself has faults.`,
		Example: "  sudo -u rosterd rosterd doctor\n  rosterd doctor --only tls,public",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range only {
				if !slices.Contains(checkNames(), name) {
					return usagef("there is no check %q; they are %s", name, strings.Join(checkNames(), ", "))
				}
			}
			return c.diagnose(cmd.Context(), only)
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "only these checks")
	return cmd
}

func (c *cli) diagnose(ctx context.Context, only []string) error {
	d := &doctor{c: c, now: time.Now(), check: "configuration"}
	wanted := func(name string) bool { return len(only) == 0 || slices.Contains(only, name) }
	code := exitOK
	if !d.configuration(ctx, wanted("configuration")) {
		code = exitConfig
	}
	for _, one := range checks() {
		if d.cfg == nil || !wanted(one.name) {
			continue
		}
		d.check = one.name
		limited, done := context.WithTimeout(ctx, checkTime)
		one.run(d, limited)
		done()
	}
	failed, warned := 0, 0
	for _, one := range d.list {
		switch one.State {
		case checkFail:
			failed++
		case checkWarn:
			warned++
		case checkOK, checkSkip:
		}
	}
	if failed > 0 && code == exitOK {
		code = exitFailure
	}
	c.showDiagnosis(d.list, failed, warned)
	if code != exitOK {
		return &endError{code: code}
	}
	return nil
}

func (c *cli) showDiagnosis(list []diagnosis, failed, warned int) {
	if c.json {
		c.print(map[string]any{"command": "doctor", "ok": failed == 0, "failed": failed, "warnings": warned, "checks": list})
		return
	}
	marks := map[findingState]string{checkOK: "ok", checkWarn: "!", checkFail: "FAILED", checkSkip: "-"}
	for _, one := range list {
		fmt.Fprintf(c.stdout, "%-7s %-14s %s\n", marks[one.State], one.Check, one.Message)
		if one.Mend != "" {
			fmt.Fprintf(c.stdout, "%-22s %s\n", "", one.Mend)
		}
	}
	if failed == 0 && warned == 0 {
		fmt.Fprintln(c.stdout, "nothing has to be mended")
		return
	}
	fmt.Fprintf(c.stdout, "%d to be mended, %s\n", failed, counted(warned, "warning"))
}
