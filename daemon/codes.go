package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// codesText is the one table of codes: a code, what it means, and what to do, each
// on a line, with an empty line between them. A test compares it with the codes in
// the source and with docs/errors.md.
//
//go:embed codes.txt
var codesText string

// explanation is what a code means.
type explanation struct {
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Mend    string `json:"mend"`
}

// explanations are all codes, in alphabetical order.
func explanations() []explanation {
	var list []explanation
	for stanza := range strings.SplitSeq(strings.TrimSpace(codesText), "\n\n") {
		lines := strings.SplitN(stanza, "\n", 3)
		if len(lines) == 3 {
			list = append(list, explanation{lines[0], lines[1], lines[2]})
		}
	}
	return list
}

func explain(code string) (explanation, bool) {
	list := explanations()
	at, ok := slices.BinarySearchFunc(list, code, func(e explanation, code string) int { return cmp.Compare(e.Code, code) })
	if !ok {
		return explanation{}, false
	}
	return list[at], true
}

func (c *cli) explainErrorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain-error [CODE]", Short: "Say what the code of an error means and what to do",
		Long: `Say what the code of an error means and what to do about it. The code stands in
brackets in messages, and as "code" in JSON, in the log and in the API. Without a
code all of them are listed.`,
		Example: "  rosterd explain-error state.damaged",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("`%s` takes at most one CODE", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				c.listCodes()
				return nil
			}
			e, ok := explain(args[0])
			if !ok {
				return usagef("there is no code %q; `rosterd explain-error` lists them", args[0])
			}
			if c.json {
				c.print(e)
				return nil
			}
			fmt.Fprintf(c.stdout, "%s\n  %s\n  %s\n", e.Code, e.Meaning, e.Mend)
			return nil
		},
	}
}

func (c *cli) listCodes() {
	list := explanations()
	if c.json {
		c.print(list)
		return
	}
	c.table("CODE\tMEANING", func(line func(...any)) {
		for _, e := range list {
			line(e.Code, e.Meaning)
		}
	})
}
