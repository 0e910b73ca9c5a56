package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/connector"
	"github.com/rosterd/rosterd/internal/export"
	"github.com/rosterd/rosterd/internal/roster"
)

func (c *cli) connectionsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "connections", Short: "Show the configured systems and the addresses that they call", Args: exactly(),
		Long: `Show the configured systems. For an import target the api_uri is printed: the
address to register with inTandem for the app. It holds a secret; treat it as one.
For a connection with the adapter inbound the push_uri is printed, below which the
other system saves people (user), staff and lead sources (leadsource). For the
target of a sync it is printed what is promised of its creates when an answer is
lost, by kind, in words that a customer can be shown. The adapters are asked for
that; nobody outside is called, and no daemon need run.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.askInstallation(cmd.Context(), func(o installation) error {
				connections, err := o.Connections(cmd.Context())
				if err != nil {
					return err
				}
				if c.json {
					c.print(connections)
					return nil
				}
				c.showConnections(connections)
				return nil
			})
		},
	}
}

func (c *cli) showConnections(connections []admin.ConnectionInfo) {
	if len(connections) == 0 {
		fmt.Fprintln(c.stdout, "no connections are configured")
		return
	}
	c.table("CONNECTION\tADAPTER\tABILITIES\tJOBS", func(line func(...any)) {
		for _, n := range connections {
			line(n.Ref, strings.TrimSpace(n.Adapter+" "+n.AdapterVersion), join(n.Abilities), strings.Join(n.Jobs, ", "))
		}
	})
	for _, n := range connections {
		if uri := n.APIURI.Reveal(); uri != "" {
			fmt.Fprintf(c.stdout, "%s  api_uri: %s\n", n.Ref, uri)
		}
		if n.PushURI != "" {
			fmt.Fprintf(c.stdout, "%s  push_uri: %s  (and user, staff or leadsource)\n", n.Ref, n.PushURI)
		}
		if n.URIUnknown != "" {
			fmt.Fprintf(c.stdout, "%s  the address that it calls is not known: %s\n", n.Ref, n.URIUnknown)
		}
		c.showGuarantees(n)
		if n.Check != nil && n.Check.Fault != nil {
			fmt.Fprintf(c.stdout, "! %s: %s\n    %s\n", n.Ref, n.Check.Fault.Message, n.Check.Fault.Hint)
		}
	}
}

// installation tells what is configured and installed.
type installation interface {
	Connections(ctx context.Context) ([]admin.ConnectionInfo, error)
	Adapters(ctx context.Context) ([]admin.AdapterInfo, error)
}

// askInstallation asks the running daemon or, where none runs, the configuration and
// the adapters themselves: neither needs a state.
func (c *cli) askInstallation(ctx context.Context, ask func(installation) error) error {
	cfg, err := c.peek(true)
	if err != nil {
		client, err := dialEarlier(ctx, err)
		if err != nil {
			return err
		}
		return ask(client)
	}
	client, err := dial(cfg)
	if err != nil {
		return err
	}
	if err := client.Live(ctx); err == nil {
		return ask(client)
	} else if !errors.Is(err, admin.ErrUnreachable) {
		return err
	}
	whole, err := c.peek(false)
	if err == nil {
		cfg = whole
	}
	return c.withConnections(cfg, func(p view) error { return ask(configured{operations{p.parts}, err == nil}) })
}

// configured is the installation as its configuration says.
type configured struct {
	operations
	// whole says that all secrets are known.
	whole bool
}

// Connections lists the configured systems. Without their secrets the targets cannot
// be asked what they promise.
func (o configured) Connections(ctx context.Context) ([]admin.ConnectionInfo, error) {
	if o.whole {
		return o.operations.Connections(ctx)
	}
	all := o.connections(ctx)
	for i := range all {
		if o.p.now().isTarget(all[i].Ref) {
			all[i].Unknown = secretsUnread
		}
	}
	return all, nil
}

// secretsUnread says why something is not known to a command.
const secretsUnread = "not all secrets of the configuration can be read here; run it as the daemon's user, or while the daemon runs"

// exportURI is the address that import targets call, or why it is not known.
func (p view) exportURI() (uri roster.Secret, unknown string) {
	if p.sessions != nil {
		return p.sessions.APIURI(), ""
	}
	if p.cfg.Export.Unread {
		return roster.Secret{}, secretsUnread
	}
	if len(p.cfg.Export.Secrets) > 0 {
		return export.APIURI(p.cfg.PublicURL, p.cfg.Export.Secrets[0]), ""
	}
	kept, err := keptSecret(p.cfg)
	switch {
	case err != nil:
		return roster.Secret{}, err.Error()
	case kept.Reveal() == "":
		return roster.Secret{}, "its secret is made when the daemon starts for the first time; start it, or set export.secret"
	}
	return export.APIURI(p.cfg.PublicURL, kept), ""
}

// pushURI is the address that other systems push to, or why it is not known.
func (p view) pushURI() (uri, unknown string) {
	if p.cfg.PublicURL == "" {
		return "", "public_url is not set; write there how the public address is reached from outside"
	}
	return connector.Address(p.cfg.PublicURL), ""
}
