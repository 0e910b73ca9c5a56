package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/config"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/turnup"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// The codes of what is said of an account that is added.
const (
	codeUnchecked config.Code = "account.unchecked"
	codeClub      config.Code = "account.club"
)

// connectionFound is what was found behind a connection.
type connectionFound struct {
	Connection string `json:"connection"`
	Adapter    string `json:"adapter"`
	// Checked says that the system answered and took the credentials; Why says why it
	// was not asked.
	Checked bool   `json:"checked"`
	Why     string `json:"why,omitempty"`
	// Clubs are those of the system; null where it does not tell them.
	Clubs []turnup.Club `json:"clubs"`
	// Missing are the account's clubs whose ids the system does not have.
	Missing []string `json:"missing,omitempty"`
	// Staff is the number of staff there; null where the system does not tell it.
	Staff *int `json:"staff"`

	staff []sdk.Staff
	// find looks staff up by e-mail address, where they cannot be listed.
	find func(ctx context.Context, email string) ([]sdk.Staff, error)
	// unlisted says what the system did not tell.
	unlisted []string
}

// staffFound says who of the staff of one connection would be linked with whom of
// another's.
type staffFound struct {
	From  string               `json:"from"`
	To    string               `json:"to"`
	Staff []turnup.StaffMember `json:"staff"`
}

// inspect tries the connections of an account that is not written yet, and looks at
// what is there. The error names every system that does not work.
func (t *turnUp) inspect(ctx context.Context, cfg *config.Config, connections []config.DraftConnection) (
	found []connectionFound, links []staffFound, err error,
) {
	err = t.withConnections(cfg, func(v view) error {
		var conns []*adapters.Conn
		defer func() {
			for _, conn := range conns {
				_ = conn.Close() // it was only looked at
			}
		}()
		var wrong []error
		for _, one := range connections {
			f := connectionFound{Connection: one.Key, Adapter: one.Adapter}
			if f.Why, err = t.whyUnchecked(cfg, one); err != nil {
				return err
			}
			if f.Why == "" {
				conn, err := v.look(ctx, t.draft.ID+"/"+one.Key, &f)
				if conn != nil {
					conns = append(conns, conn)
				}
				if err != nil {
					wrong = append(wrong, err)
				}
			}
			found = append(found, f)
		}
		if len(wrong) > 0 {
			return notWorking(wrong)
		}
		links, err = staffLinks(ctx, t.pairs(cfg), found)
		return err
	})
	return found, links, err
}

// notWorking is the fault of systems that cannot be used as they are configured.
func notWorking(wrong []error) error {
	texts := make([]string, len(wrong))
	for i, err := range wrong {
		texts[i] = err.Error()
	}
	code := "adapter"
	if f, ok := errors.AsType[*roster.Fault](wrong[0]); ok {
		code = f.Code
	} else if e, ok := errors.AsType[*sdk.Error](wrong[0]); ok {
		code = "adapter." + string(e.Code)
	}
	return &roster.Fault{
		Code: code, Message: strings.Join(texts, "; ") + "; nothing was written",
		Hint: "correct what was given for the connection and try again, or write the file without trying the system with --no-check",
	}
}

// whyIncomplete is said of a system whose settings are open, which are listed.
const whyIncomplete = "it was not asked: settings are still to be filled in"

// whyUnchecked says why a system is not asked; empty where it is.
func (t *turnUp) whyUnchecked(cfg *config.Config, one config.DraftConnection) (string, error) {
	incomplete, err := t.draft.Incomplete(t.cfg, one.Key)
	unknown := cfg.UnknownSecrets(t.draft.ID + "/" + one.Key)
	switch {
	case err != nil:
		return "", err
	case one.Adapter == roster.AdapterInbound:
		return "nobody is asked: others push to it", nil
	case t.flags.unchecked || t.unchecked[one.Key]:
		return "it was not asked, as wanted", nil
	case incomplete:
		return whyIncomplete, nil
	case len(unknown) > 0:
		return "it was not asked: the secret of " + strings.Join(unknown, ", ") + " is not known here", nil
	}
	return "", nil
}

// look tries a connection and lists what the system tells of clubs and staff. The
// connection stays open.
func (p view) look(ctx context.Context, ref string, f *connectionFound) (*adapters.Conn, error) {
	conn, err := p.connectWith(ctx, ref, "", p.host.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	limited, done := context.WithTimeout(ctx, 2*dialTime)
	defer done()
	if conn.Has(sdk.AbilityChecker) {
		if err := conn.Check(limited); err != nil {
			return conn, err
		}
		f.Checked = true
	} else {
		f.Why = "its adapter cannot try its settings"
	}
	account, key, _ := strings.Cut(ref, "/")
	if conn.Has(sdk.AbilityClubLister) {
		clubs, err := conn.ListClubs(limited)
		if err != nil {
			f.unlisted = append(f.unlisted, "its clubs: "+err.Error())
		} else {
			f.Clubs, f.Missing = turnup.Clubs(p.cfg.Accounts[account].Connections[key].Clubs, clubs)
		}
	}
	if conn.Has(sdk.AbilityStaffLister) {
		if f.staff, err = conn.ListStaff(limited); err != nil {
			f.unlisted = append(f.unlisted, "its staff: "+err.Error())
		} else {
			f.Staff = new(len(f.staff))
		}
	} else if conn.Has(sdk.AbilityStaffFinder) {
		f.find = conn.FindStaff
	}
	return conn, nil
}

// pairs are the connections whose staff a sync would link: those of its jobs, and
// where there is none each with each.
func (t *turnUp) pairs(cfg *config.Config) [][2]string {
	var pairs [][2]string
	for _, job := range cfg.Jobs {
		if job.Account != t.draft.ID || job.Type != roster.JobSync {
			continue
		}
		_, from, _ := strings.Cut(job.From, "/")
		_, to, _ := strings.Cut(job.To, "/")
		if pair := [2]string{from, to}; !slices.Contains(pairs, pair) {
			pairs = append(pairs, pair)
		}
	}
	if pairs != nil {
		return pairs
	}
	all := t.draft.Systems(t.cfg)
	for i, from := range all {
		for _, to := range all[i+1:] {
			pairs = append(pairs, [2]string{from.Key, to.Key})
		}
	}
	return pairs
}

// maxLookUps bounds how many staff are looked up one by one.
const maxLookUps = 500

// staffLinks compares the staff of pairs of connections. Those of the second are
// looked up one by one where they cannot be listed.
func staffLinks(ctx context.Context, pairs [][2]string, found []connectionFound) ([]staffFound, error) {
	var links []staffFound
	by := map[string]*connectionFound{}
	for i := range found {
		by[found[i].Connection] = &found[i]
	}
	for _, pair := range pairs {
		from, to := by[pair[0]], by[pair[1]]
		if from == nil || to == nil || from.Staff == nil || to.Staff == nil && to.find == nil {
			continue
		}
		there := to.staff
		if to.Staff == nil {
			var err error
			if there, err = lookUp(ctx, from.staff, to.find); err != nil {
				to.unlisted = append(to.unlisted, "its staff: "+err.Error())
				continue
			}
		}
		links = append(links, staffFound{From: pair[0], To: pair[1], Staff: turnup.Staff(from.staff, there)})
	}
	return links, ctx.Err()
}

func lookUp(ctx context.Context, staff []sdk.Staff, find func(context.Context, string) ([]sdk.Staff, error)) ([]sdk.Staff, error) {
	var all []sdk.Staff
	asked := map[string]bool{}
	for _, s := range staff {
		email := strings.ToLower(strings.TrimSpace(s.Email))
		if email == "" || asked[email] {
			continue
		}
		if asked[email] = true; len(asked) > maxLookUps {
			return nil, fmt.Errorf("they can only be looked up one by one, and %d are too many for that", len(staff))
		}
		there, err := find(ctx, email)
		if err != nil {
			return nil, err
		}
		all = append(all, there...)
	}
	return all, nil
}

// preview drafts the account and looks at it as if it was written. Nothing is.
func (t *turnUp) preview(ctx context.Context) (accountAdded, error) {
	written, err := t.draft.Write(t.cfg)
	if err != nil {
		return accountAdded{}, err
	}
	added := accountAdded{
		File: t.files.account, DryRun: t.flags.dryRun, Open: append([]config.Open{}, written.Open...), written: written,
		Connections: []connectionFound{}, Staff: []staffFound{}, Secrets: t.files.named(written),
	}
	if err := t.files.free(written); err != nil {
		return accountAdded{}, err
	}
	t.pretend = t.files.pretend(written)
	defer func() { t.pretend = nil }()
	if added.Findings, err = t.findingsOf(ctx, added.Open); err != nil {
		return accountAdded{}, fmt.Errorf("%w\nnothing was written: these places of %s are those that it would have", err, t.files.account)
	}
	cfg, err := t.load(true)
	if err != nil {
		return accountAdded{}, err
	}
	found, links, err := t.inspect(ctx, cfg, t.draft.Systems(t.cfg))
	if err != nil {
		return accountAdded{}, err
	}
	added.Connections, added.Staff = append(added.Connections, found...), append(added.Staff, links...)
	for _, f := range found {
		added.unasked = append(added.unasked, t.warnings(cfg, f)...)
	}
	added.Findings = append(added.Findings, added.unasked...)
	return added, nil
}

// warnings are what a person should look at in what was found behind a connection.
func (t *turnUp) warnings(cfg *config.Config, f connectionFound) []config.Fault {
	var all []config.Fault
	ref := t.draft.ID + "/" + f.Connection
	warn := func(code config.Code, message, hint string) {
		all = append(all, config.AtAdapter(cfg, ref, config.Fault{Severity: config.SeverityWarning, Code: code, File: t.files.account, Message: message, Hint: hint}))
	}
	if !f.Checked && f.Adapter != roster.AdapterInbound && f.Why != whyIncomplete {
		warn(codeUnchecked, "connection "+f.Connection+": "+f.Why, "run  rosterd doctor --only credentials  as the daemon's user when it is complete")
	}
	for _, what := range f.unlisted {
		warn(codeUnchecked, "connection "+f.Connection+" did not tell "+what, "what would be linked there is not known; the account works without that")
	}
	ids := cfg.Accounts[t.draft.ID].Connections[f.Connection].Clubs
	for _, club := range f.Missing {
		warn(codeClub, fmt.Sprintf("connection %s has no club with the id %q, which club %s has here", f.Connection, ids[club], club), "it has "+clubsText(f.Clubs))
	}
	return all
}

func clubsText(clubs []turnup.Club) string {
	const most = 20
	var texts []string
	for _, club := range clubs[:min(most, len(clubs))] {
		texts = append(texts, strings.TrimSpace(club.ID+" "+club.Name))
	}
	if len(clubs) > most {
		texts = append(texts, fmt.Sprintf("and %d more", len(clubs)-most))
	}
	return cmp.Or(strings.Join(texts, ", "), "none")
}

// lines are what was found behind a connection, for people.
func (f connectionFound) lines() []string {
	said := "the system answers and takes the credentials"
	if !f.Checked {
		said = f.Why
	}
	lines := []string{f.Connection + " (" + f.Adapter + "): " + said}
	for _, club := range f.Clubs {
		text := "none of the account's"
		if club.Club != "" {
			text = "is " + club.Club
		}
		lines = append(lines, "  club "+strings.TrimSpace(club.ID+" "+club.Name)+": "+text)
	}
	if f.Staff != nil {
		lines = append(lines, fmt.Sprintf("  staff: %d", *f.Staff))
	}
	return lines
}

// lines are who would be linked, for people.
func (s staffFound) lines() []string {
	words := map[turnup.Verdict]string{
		turnup.NoEmail: "has no e-mail address", turnup.NoneThere: "nobody there has the e-mail address",
		turnup.Several: "several have the e-mail address: nobody is taken",
	}
	const most = 20
	counts := map[turnup.Verdict]int{}
	var lines []string
	for _, one := range s.Staff {
		counts[one.Verdict]++
		text := "  " + one.ID + ": " + words[one.Verdict]
		if one.Verdict == turnup.Links {
			text = "  " + one.ID + " is " + one.Other
		}
		if len(lines) < most {
			lines = append(lines, text)
		}
	}
	if more := len(s.Staff) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more; --json lists all", more))
	}
	head := fmt.Sprintf("staff of %s: %d of %d would be linked with staff of %s, by e-mail address", s.From, counts[turnup.Links], len(s.Staff), s.To)
	return append([]string{head}, lines...)
}

// adapterNames are the adapters that a dialogue offers.
func (t *turnUp) adapterNames(ctx context.Context) ([]string, error) {
	names := map[string]bool{roster.AdapterInbound: true}
	err := withHost(t.cfg, func(host *adapters.Host) error {
		installed, err := host.List(ctx)
		for _, one := range installed {
			if one.Err == nil {
				names[one.Name] = true
			}
		}
		return err
	})
	return slices.Sorted(maps.Keys(names)), err
}
