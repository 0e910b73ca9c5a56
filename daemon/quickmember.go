package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/sandbox/club"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// quickstartMembers is how many of the prospects become members.
const quickstartMembers = 2

// joinMembers has the first prospects become members in the CRM, where they are not
// since an earlier quickstart, and syncs that.
func (q *quickstart) joinMembers(ctx context.Context, client *admin.Client, p *parts, systems *platforms, s *syncScene) error {
	if arrived(s.run) && len(systems.crm.Records(club.Member)) == 0 {
		for _, link := range s.links[:min(quickstartMembers, len(s.links))] {
			if err := systems.join(ctx, link.Source); err != nil {
				return err
			}
		}
		run, err := client.StartRun(ctx, quickstartSync)
		if err != nil {
			return err
		}
		if s.joined, err = follow(ctx, client, run, newBar(q.stderr)); err != nil {
			return err
		}
	}
	route := roster.Route{From: quickstartFrom, To: quickstartTo, Kind: sdk.KindMember}
	var err error
	s.members, err = p.store.Links(ctx, route, roster.LinkFilter{})
	return err
}

// join makes a member of a prospect in the CRM, as somebody at the desk does.
func (p *platforms) join(ctx context.Context, id string) error {
	address := p.crmURL + "/v1/prospects/" + url.PathEscape(id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, address, strings.NewReader(`{"type": "member"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+quickstartToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // for the message alone
		return fmt.Errorf("the simulated CRM does not make a member of a prospect: %s: %s", res.Status, text)
	}
	return nil
}

// readLog takes the warnings of the run from the record log.
func (s *syncScene) readLog(ctx context.Context, client *admin.Client) error {
	page, err := client.RecordLog(ctx, admin.LogFilter{Job: quickstartSync, Level: roster.LogWarning, Since: s.run.Asked, Limit: 1000})
	s.warnings = page.Lines
	for _, l := range s.warnings {
		if l.Kind == sdk.KindProspect && strings.Contains(l.Text, "without its owner") {
			s.ownerless++
		}
	}
	return err
}

// tellLog prints what the record log has of those that did not arrive whole.
func (q *quickstart) tellLog(s *syncScene) {
	if len(s.warnings) == 0 {
		return
	}
	fmt.Fprintf(q.stdout, "\n%d were sent with something missing; the first of them in the record log, without its time:\n", len(s.warnings))
	_, line, _ := strings.Cut(logText(&s.warnings[0], false), "WARNING ")
	fmt.Fprintf(q.stdout, "  WARNING %s\n", line)
	fmt.Fprintf(q.stdout, "all of them     rosterd log --config %s --level warning\n", q.path("rosterd.yaml"))
}

// tellMembers prints what became of those who joined.
func (q *quickstart) tellMembers(s *syncScene) {
	if s.joined.ID == "" {
		return
	}
	fmt.Fprintf(q.stdout, "\n%d prospects have become members in the CRM; the job runs again\n\n", quickstartMembers)
	q.printSync(s.joined)
	was := map[string]string{}
	for _, link := range s.links {
		was[link.Source] = link.Target
	}
	fmt.Fprintln(q.stdout, "\nthe club platform made a member of each, and none was created beside it:")
	for _, link := range s.members {
		fmt.Fprintf(q.stdout, "  %-8s prospect %s became member %s\n", link.Source, was[link.Source], link.Target)
	}
}
