package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/sandbox"
)

func (c *cli) sandboxCommand() *cobra.Command {
	return group("sandbox", "Run simulated platforms, to try things out", c.sandboxInTandemCommand(), c.sandboxClubCommand())
}

func (c *cli) sandboxInTandemCommand() *cobra.Command {
	var listen string
	o := sandbox.Options{Now: time.Now, Seed: rand.Uint64()} // ids of its own each time, as at inTandem
	answer := string(sandbox.AnswerSessionID)
	var fields, matterFields []string
	cmd := &cobra.Command{
		Use: "intandem", Short: "Run a simulated inTandem", Args: exactly(),
		Long: `Run a simulated inTandem for one business. It answers the announcement of an
import, pulls the clients from --api-uri as inTandem does, and keeps what it
received: GET /sandbox/clients and /sandbox/imports show it.

To import into it, give the intandem connection the setting api_url with its
address, and a business_uid, app_code_name and token that fit --business, --app
and --token. Start the daemon, take the api_uri from rosterd connections, start
this command with it, and run the job.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Answer = sandbox.ImportAnswer(answer)
			if !slices.Contains(sandbox.ImportAnswers(), o.Answer) {
				return usagef("--answer is one of %v, and not %q", sandbox.ImportAnswers(), answer)
			}
			o.CustomFields = customFields(fields, matterFields)
			o.Logger = slog.New(slog.NewTextHandler(c.stderr, nil))
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			s := sandbox.NewInTandem(o)
			s.Start(l)
			if c.json {
				c.print(map[string]string{"type": "listening", "address": l.Addr().String()})
			} else {
				fmt.Fprintf(c.stdout, "simulated inTandem on http://%s\n", l.Addr())
				if o.APIURI == "" {
					fmt.Fprintln(c.stdout, "it asks for no page: start it with --api-uri, which `rosterd connections` prints")
				}
			}
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8090", "address to listen on")
	f.StringVar(&o.Token, "token", "", "bearer token that callers must send; any when empty")
	f.StringVar(&o.AppCodeName, "app", "", "app_code_name of the installed app; any when empty")
	f.StringVar(&o.BusinessUID, "business", "b1", "business_uid of the business")
	f.StringVar(&o.StaffUID, "staff", "s1", "staff_uid of the staff member who imports")
	f.StringVar(&o.APIURI, "api-uri", "", "`address` of the app: the api_uri that rosterd connections prints; without it no page is asked for")
	f.IntVar(&o.PerPage, "per-page", 100, "clients asked for at a time")
	f.DurationVar(&o.Pull.Pause, "pause", 0, "wait between two pages")
	f.IntVar(&o.Pull.RepeatEvery, "repeat-every", 0, "ask for each n-th page twice")
	f.IntVar(&o.Pull.BreakEvery, "break-every", 0, "drop the connection in each n-th page and ask again")
	f.DurationVar(&o.Pull.RetryFor, "retry-for", 30*time.Second, "how long to ask again while the app is down")
	f.StringVar(&answer, "answer", answer, fmt.Sprintf("how announcements are answered: %v", sandbox.ImportAnswers()))
	f.StringArrayVar(&fields, "field", nil, "label of a custom field of clients; may be repeated")
	f.StringArrayVar(&matterFields, "matter-field", nil, "label of a custom field of matters; may be repeated")
	f.StringVar((*string)(&o.CustomKey), "custom-fields", string(sandbox.CustomAny), "how an import names custom fields: label, id or any")
	return cmd
}

// customFields are the fields that a business has added. Their ids are
// custom0000000001 and so on, in this order.
func customFields(ofClients, ofMatters []string) []sandbox.Field {
	var all []sandbox.Field
	for _, label := range ofClients {
		all = append(all, sandbox.Field{Label: label})
	}
	for _, label := range ofMatters {
		all = append(all, sandbox.Field{Label: label, ObjectType: "matter"})
	}
	return all
}
