package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func (c *cli) privacyCommand() *cobra.Command {
	return group("privacy", "Give out, or erase, what is stored of one person",
		c.privacyExportCommand(), c.privacyEraseCommand(), c.privacyListCommand(), c.privacyLiftCommand())
}

// personFlags adds the flags that say who is meant.
func personFlags(cmd *cobra.Command, who *admin.PersonQuery) {
	cmd.Flags().StringVar(&who.ID, "id", "", "the id of one of the person's records, in the source or in the target")
	cmd.Flags().StringVar(&who.Email, "email", "", "in place of it, an e-mail address")
	cmd.Flags().StringVar(&who.Connection, "connection", "", "the connection (ACCOUNT/CONNECTION) whose record has the id")
	cmd.Flags().StringVar((*string)(&who.Kind), "kind", "", "the kind of that record: staff, prospect or member")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch who.Account, who.Job = args[0], ""; {
		case (who.ID == "") == (who.Email == ""):
			return usagef("`%s` takes either --id ID or --email ADDRESS", cmd.CommandPath())
		case who.Email != "" && roster.NormalEmail(who.Email) == "":
			return usagef("`%s` takes an e-mail address with --email", cmd.CommandPath())
		case who.Kind != "" && !who.Kind.Valid():
			return usagef("`%s` takes one of %s with --kind", cmd.CommandPath(), join(sdk.Kinds()))
		case strings.Contains(args[0], "/"):
			who.Account, who.Job = "", args[0]
		}
		return run(cmd, args)
	}
}

func (c *cli) privacyExportCommand() *cobra.Command {
	var who admin.PersonQuery
	var out string
	cmd := &cobra.Command{
		Use: "export ACCOUNT|ACCOUNT/JOB", Short: "Write all that is stored of one person as JSON", Args: exactly("ACCOUNT|ACCOUNT/JOB"),
		Long: `Write everything that is stored of one person into one JSON document: links and their
history, creates in doubt, parked and refused records with their values, what was
pushed and waits, sessions and change sets that name them; of each, where it is and
until when. Nothing is changed.

rosterd keeps no copy of people. By --id a person is found with everything that is
linked to that record. By --email what waits is searched, and, through the running
daemon, the systems whose adapters can search: "unsearched" in the document says what
was not. The document is personal data: --out makes a file that its owner alone can
read.`,
		Example: "  rosterd privacy export acme/leads --id 4711 --out person.json\n  rosterd privacy export acme --email ann@example.com",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			report, err := client.Person(cmd.Context(), who)
			if err != nil {
				return err
			}
			return c.exportPerson(report, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "a file to make, which only you can read")
	personFlags(cmd, &who)
	return cmd
}

func (c *cli) exportPerson(report admin.PersonReport, out string) error {
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if out == "" {
		fmt.Fprintf(c.stdout, "%s\n", text)
		return nil
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return &roster.Fault{Code: "privacy.out", Message: out + " is there already, and was left as it is", Hint: "name another file"}
	}
	if err != nil {
		return &roster.Fault{Code: "privacy.out", Message: err.Error(), Hint: "name a file in a folder that exists and that you may write to"}
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close(), store.SyncDir(filepath.Dir(out))); err != nil {
		return err
	}
	if c.json {
		c.print(map[string]any{"command": "privacy export", "ok": true, "path": out, "held": len(report.Held), "unsearched": report.Unsearched})
		return nil
	}
	fmt.Fprintf(c.stdout, "%s of the person and %s are in %s\n", counted(len(report.Held), "item"), counted(len(report.Subjects), "record id"), out)
	c.lines("not searched", report.Unsearched)
	return nil
}

// lines prints texts under a word.
func (c *cli) lines(word string, texts []string) {
	for _, text := range texts {
		fmt.Fprintf(c.stdout, "%-12s %s\n", word, plainText(text))
	}
}

func (c *cli) privacyEraseCommand() *cobra.Command {
	var order admin.EraseOrder
	var yes bool
	cmd := &cobra.Command{
		Use: "erase ACCOUNT|ACCOUNT/JOB", Short: "Remove all that is stored of one person, and leave them out from then on", Args: exactly("ACCOUNT|ACCOUNT/JOB"),
		Long: `Show what is stored of one person, and, once it is confirmed, remove all of it in one
transaction: links in both directions with their history, creates in doubt, parked
and refused records, what was pushed and waits, their place among the clients of
sessions, and plans that name them. What the file of the database still holds is
overwritten.

A tombstone of keyed hashes stays: the next runs leave the person out, whatever the
source gives, and a system that pushes the record is answered 410. With --block-email
every record with the address is left out, under whatever id. Without --kind a
record's id is taken for the prospect's and the member's.

Nothing is written to any other system: their records are listed for you to remove
there. While a run of the account is under way nothing is erased.`,
		Example: `  rosterd privacy erase acme/leads --id 4711 --reason "their letter of May 3"
  rosterd privacy erase acme --email ann@example.com --block-email --reason "their letter of May 3" --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			return c.erasePerson(cmd.Context(), client, order, yes)
		},
	}
	cmd.Flags().BoolVar(&order.BlockEmail, "block-email", false, "leave out every record with the address")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	reasonFlag(cmd, &order.Reason)
	personFlags(cmd, &order.PersonQuery)
	return cmd
}

func (c *cli) erasePerson(ctx context.Context, client *admin.Client, order admin.EraseOrder, yes bool) error {
	if !yes {
		report, err := client.Person(ctx, order.PersonQuery)
		if err != nil {
			return err
		}
		c.showPerson(report)
		if !c.confirmed("erase all of it, for good?") {
			return &roster.Fault{Code: "privacy.unconfirmed", Message: "nothing was erased", Hint: "confirm it at a terminal, or with --yes"}
		}
	}
	done, err := client.ErasePerson(ctx, order)
	if err != nil {
		return err
	}
	if c.json {
		c.print(done)
		return nil
	}
	if yes {
		c.showPerson(done.PersonReport)
	}
	fmt.Fprintf(c.stdout, "erased       %s; tombstone %s leaves out %s and %s\n", counted(len(done.Held), "item"), done.Tombstone.ID,
		counted(done.Tombstone.Records, "record id"), counted(done.Tombstone.Emails, "e-mail"))
	if done.Overwritten {
		fmt.Fprintln(c.stdout, "overwritten  what the file of the database still held")
	} else {
		fmt.Fprintf(c.stdout, "! %s\n", done.Remains)
	}
	fmt.Fprintf(c.stdout, "undo         nothing brings it back; rosterd privacy lift %s%s lets the person be read again\n", c.configFlag(), done.Tombstone.ID)
	return nil
}

// showPerson prints what is stored of a person, without values. With --json only
// what came of it is printed.
func (c *cli) showPerson(r admin.PersonReport) {
	if c.json {
		return
	}
	if len(r.Held) == 0 {
		fmt.Fprintln(c.stdout, "nothing is stored of the person")
	} else {
		c.table("WHERE\tBETWEEN\tKIND\tRECORD\tTARGET\tSTATE\tKEPT UNTIL", func(line func(...any)) {
			for _, h := range r.Held {
				between := h.Job
				if between == "" {
					between = strings.TrimSuffix(h.From+" > "+h.To, " > ")
				}
				line(h.Where, orDash(strings.TrimPrefix(between, " > ")), orDash(string(h.Kind)), orDash(plainText(h.Record)), orDash(plainText(h.Target)), orDash(plainText(h.State)), h.Until)
			}
		})
	}
	c.lines("not searched", r.Unsearched)
	c.lines("elsewhere", r.Elsewhere)
	c.lines("under way", r.Busy)
}

// confirmed asks at the terminal. Where there is none the answer is no.
func (c *cli) confirmed(question string) bool {
	if c.json || !term.IsTerminal(int(os.Stdin.Fd())) {
		return false
	}
	fmt.Fprintf(c.stdout, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // the end of input is a no
	return strings.EqualFold(strings.TrimSpace(answer), "y") || strings.EqualFold(strings.TrimSpace(answer), "yes")
}

func (c *cli) privacyListCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use: "list", Short: "List the tombstones of persons who were erased, which do not say who they are", Args: exactly(),
		Example: "  rosterd privacy list --account acme",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			found, err := client.Tombstones(cmd.Context(), account)
			if err != nil {
				return err
			}
			if c.json {
				c.print(map[string]any{"tombstones": found})
				return nil
			}
			if len(found) == 0 {
				fmt.Fprintln(c.stdout, "nobody is left out")
				return nil
			}
			c.table("ID\tACCOUNT\tERASED\tBY\tRECORDS\tADDRESSES\tREASON", func(line func(...any)) {
				for _, t := range found {
					line(t.ID, t.Account, t.At.Format("2006-01-02 15:04"), plainText(t.By), t.Records, t.Emails, plainText(t.Reason))
				}
			})
			return nil
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "only of this account")
	return cmd
}

func (c *cli) privacyLiftCommand() *cobra.Command {
	return &cobra.Command{
		Use: "lift TOMBSTONE", Short: "Let a person who was erased be taken again", Args: exactly("TOMBSTONE"),
		Long: `Remove a tombstone: the next run that reads the person takes them like anybody new.
What was erased does not come back.`,
		Example: "  rosterd privacy lift 20261128-030000-abcdef",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, done, err := c.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			lifted, err := client.LiftTombstone(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				c.print(lifted)
				return nil
			}
			fmt.Fprintf(c.stdout, "tombstone %s of account %s is lifted: whom it left out is taken again\n", lifted.ID, lifted.Account)
			return nil
		},
	}
}
