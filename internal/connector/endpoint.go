package connector

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/time/rate"

	"github.com/rosterd/rosterd/internal/callers"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

//go:embed settings.schema.json
var schema []byte

// Info describes the built-in adapter as a program would describe itself.
func Info() sdk.Info {
	info := sdk.Info{
		Name: roster.AdapterInbound, Version: "1", Description: "Receives what another system pushes, as the InTouch Connector did",
		Settings: json.RawMessage(schema), Abilities: []sdk.Ability{sdk.AbilitySource},
	}
	for _, kind := range sdk.Kinds() {
		info.Kinds = append(info.Kinds, sdk.KindInfo{Kind: kind, Fields: columnsOf(kind, nil), Cursor: sdk.CursorExact})
	}
	return info
}

// settings are those of a connection. Secrets stand in them in clear.
type settings struct {
	Provider     string            `json:"provider"`
	Secret       string            `json:"secret"`
	FormerSecret string            `json:"former_secret"`
	IDs          string            `json:"ids"`
	Owner        string            `json:"owner"`
	LeadSource   string            `json:"lead_source"`
	TrialStart   string            `json:"trial_start"`
	TrialEnd     string            `json:"trial_end"`
	ExMember     string            `json:"ex_member"`
	Staff        string            `json:"staff"`
	Custom       map[string]string `json:"custom"`
}

// Endpoint is one connection that a system pushes to. It is not changed after it
// is made.
type Endpoint struct {
	// Ref is account/connection.
	Ref string
	// Provider and Client are the sender's names of itself and of the account.
	Provider, Client string

	perClub bool
	// clubs maps the sender's id of a club to the club's key; empty for an account
	// of one location.
	clubs    map[string]string
	secrets  callers.Secrets
	fields   []field
	exMember string
	staff    string
	custom   []string
	limiter  *rate.Limiter
}

// ErrNoSecret says that a connection has no secret, so that nobody could push.
var ErrNoSecret = errors.New("it has no secret")

// NewEndpoint makes an endpoint of a connection, whose settings have satisfied the
// schema of [Info].
func NewEndpoint(conn roster.Connection) (*Endpoint, error) {
	s := settings{
		Owner: "owner", LeadSource: "leadSource", TrialStart: "trialStartDate", TrialEnd: "trialEndDate",
		ExMember: "EX_MEMBER", Staff: "STAFF",
	}
	if err := json.Unmarshal([]byte(conn.Settings.Reveal()), &s); err != nil {
		return nil, fmt.Errorf("settings of connection %s: they are not what the schema says", conn.Ref)
	}
	e := &Endpoint{
		Ref: conn.Ref, Provider: s.Provider, Client: conn.ClientID, perClub: s.IDs == "club", clubs: map[string]string{},
		secrets: callers.NewSecrets([]roster.Secret{roster.NewSecret(s.Secret), roster.NewSecret(s.FormerSecret)}),
		fields:  fieldsOf(s), exMember: s.ExMember, staff: s.Staff, custom: slices.Sorted(maps.Keys(s.Custom)),
	}
	for key, id := range conn.Clubs {
		e.clubs[id] = key
	}
	switch {
	case e.Client == "":
		return nil, fmt.Errorf("connection %s has no client_id: a sender names it in every request", conn.Ref)
	case len(e.secrets) == 0:
		return nil, fmt.Errorf("connection %s: %w", conn.Ref, ErrNoSecret)
	case e.perClub && len(e.clubs) == 0:
		return nil, fmt.Errorf("connection %s has ids: club and no clubs", conn.Ref)
	}
	return e, checkFields(conn.Ref, e.fields)
}

// checkFields refuses settings in which two fields have the same name or element.
func checkFields(ref string, fields []field) error {
	seen := map[string]bool{}
	for _, f := range fields {
		for _, name := range []string{"field " + f.name, "element " + f.element} {
			if seen[name] {
				return fmt.Errorf("connection %s: the %s stands for two things", ref, name)
			}
			seen[name] = true
		}
	}
	return nil
}

var errUnknownClub = errors.New("a club that the connection does not have")

// sourceID is the id under which jobs read a record of the sender.
func (e *Endpoint) sourceID(club, record string) (string, error) {
	if len(e.clubs) == 0 {
		return record, nil
	}
	key, ok := e.clubs[club]
	switch {
	case !ok:
		return "", errUnknownClub
	case e.perClub:
		return key + "/" + record, nil
	}
	return record, nil
}

// hasClub reports whether the sender may name a club.
func (e *Endpoint) hasClub(club string) bool {
	_, ok := e.clubs[club]
	return ok || len(e.clubs) == 0
}
