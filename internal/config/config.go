package config

import (
	"net/netip"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
)

// Config is a configuration that was read, checked and completed: every
// default is filled in and every path is absolute or relative to the working
// directory, never to a file.
type Config struct {
	// Path is the main file.
	Path     string
	Version  int
	StateDir string
	// MasterKey is the key that seals what is stored; empty when it is kept in
	// the state directory.
	MasterKey roster.Secret
	Listen    Listen
	// PublicURL is where targets reach this daemon, without a slash at its
	// end; empty only in a configuration without imports.
	PublicURL      string
	TrustedProxies []netip.Prefix
	Plugins        Plugins
	Export         Export
	Alerts         Alerts
	// Concurrency is how many runs there may be at a time.
	Concurrency int
	Retention   Retention
	ScriptsDir  string
	// Include are the patterns of further files, as resolved paths.
	Include []string
	// Accounts are the accounts by their key.
	Accounts map[string]roster.Account
	// Jobs are the jobs of every account, ordered by account and key.
	Jobs []roster.Job
	// SecretFiles are the files that references to secrets name.
	SecretFiles []string
	// Warnings are findings that do not stop the daemon, in the order of the
	// files.
	Warnings []Fault

	connections map[string]value
	// accounts are the accounts as they are written.
	accounts map[string]value
	// unresolved are the references whose secrets are not known.
	unresolved map[*yaml.Node]bool
}

// UnknownSecrets are the settings of a connection that refer to secrets which are
// not known here, see [Options].SkipSecrets.
func (c *Config) UnknownSecrets(connRef string) []string {
	var names []string
	for name, v := range settingsOf(c.connections[connRef]).entries() {
		if c.unknown(v) {
			names = append(names, name)
		}
	}
	return names
}

func (c *Config) unknown(v value) bool {
	if c.unresolved[v.node] {
		return true
	}
	for _, entry := range v.entries() {
		if c.unknown(entry) {
			return true
		}
	}
	return slices.ContainsFunc(v.items(), c.unknown)
}

// Listen says where the daemon answers.
type Listen struct {
	// Public is host:port of the export protocol, webhooks and inbound API.
	Public string
	// TLS holds the certificate for Public; both empty for plain HTTP.
	TLS TLS
	// Admin is host:port of the operator's API and pages; empty where
	// AdminSocket is set.
	Admin string
	// AdminSocket is the path of the Unix socket of the operator's API.
	AdminSocket string
	// AdminToken is the token of the operator's API; set for a host:port.
	AdminToken roster.Secret
}

// TLS names the PEM files of a certificate and its key.
type TLS struct{ Cert, Key string }

// Plugins says where the adapters are.
type Plugins struct {
	// Dir holds the adapter programs.
	Dir string
	// Lock is the file with their checksums; empty for none. It may not exist.
	Lock string
}

// Export are the settings of import sessions (DESIGN words: session, announce).
type Export struct {
	// Secrets are the valid secrets of the path, the one to print first; empty
	// when it is kept in the state directory.
	Secrets []roster.Secret
	// Unread says that a secret is configured which is not known here, see
	// [Options.SkipSecrets].
	Unread         bool
	AnnounceWait   time.Duration
	SessionTimeout time.Duration
	SessionGap     time.Duration
	OutcomeWait    time.Duration
	// Repeats is how often the same page may be served.
	Repeats int
}

// Retention says how long the daemon remembers what is over.
type Retention struct {
	// Runs is how long runs are kept with their sessions.
	Runs time.Duration
	// Keep is how many runs of each job are kept however old they are.
	Keep int
	// Log is how long the record log is kept, and LogBytes how large it may be.
	Log      time.Duration
	LogBytes int64
	// Quarantine is how long refused records are kept, History how long the events of
	// records that have no link any more.
	Quarantine, History time.Duration
	// Gone is how long links are kept whose record is gone from the source; 0 for
	// ever.
	Gone time.Duration
}

// Options say how a configuration is loaded.
type Options struct {
	// Getenv reads the environment: secrets, and the directories that systemd
	// names. Nil stands for an empty environment.
	Getenv func(string) string
	// SkipSecrets makes a secret that cannot be resolved a warning: it is then
	// empty. It is for checking a file away from its machine; a configuration
	// loaded so is not run.
	SkipSecrets bool
	// SkipScripts makes a mapping script that is not there a warning: whoever is
	// about to write it asks for the fields first. A configuration loaded so is not
	// run.
	SkipScripts bool
	// Pretend are files by their absolute paths that are read as if they stood on
	// the disk, so that what is not written yet can be checked.
	Pretend map[string][]byte
}
