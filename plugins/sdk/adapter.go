package sdk

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
)

// Kind says what a record describes.
type Kind string

// The kinds of record, in the order in which a run handles them.
const (
	KindStaff      Kind = "staff"
	KindLeadSource Kind = "lead_source"
	KindProspect   Kind = "prospect"
	KindMember     Kind = "member"
)

// Kinds lists every kind in the order in which a run handles them: people may
// refer to staff and lead sources, so those come first.
func Kinds() []Kind { return []Kind{KindStaff, KindLeadSource, KindProspect, KindMember} }

// Valid reports whether k is one of [Kinds].
func (k Kind) Valid() bool {
	switch k {
	case KindStaff, KindLeadSource, KindProspect, KindMember:
		return true
	}
	return false
}

// Adapter is what one adapter program offers. It is passed to serve.Main.
type Adapter struct {
	// Name is the name that a connection's `adapter` key gives, in kebab-case.
	Name string
	// Version is the adapter's own version, shown to operators.
	Version string
	// Description is one sentence for `rosterd adapter list`.
	Description string
	// Settings is the JSON Schema (2020-12) of a connection's settings. A
	// property that holds a secret has "writeOnly": true.
	Settings json.RawMessage
	// Kinds says which kinds of record the adapter reads.
	Kinds []KindInfo
	// Opener makes the value behind one configured connection.
	Opener Opener
}

// KindInfo describes the records of one kind.
type KindInfo struct {
	Kind Kind `json:"kind"`
	// Fields are the names a record may carry. Empty means that the outside
	// system decides, as the header line of a file does.
	Fields []string `json:"fields,omitempty"`
	// Cursor says what reading after a cursor means for this kind.
	Cursor CursorSemantics `json:"cursor"`
}

// CursorSemantics says what [Source] does with [ReadRequest].After.
type CursorSemantics string

// The semantics of a cursor.
const (
	// CursorWalk is a position within one full walk. After the last page the
	// next walk starts from the beginning.
	CursorWalk CursorSemantics = "walk"
	// CursorInclusive may deliver the last records before the cursor again.
	CursorInclusive CursorSemantics = "inclusive"
	// CursorExact delivers only records behind the cursor.
	CursorExact CursorSemantics = "exact"
)

// Connection is one configured system of an account, as rosterd opens it.
type Connection struct {
	// Name is account/connection.
	Name string
	// ClientID is the account's id in the outside system; may be empty.
	ClientID string
	// Clubs maps each of the account's clubs to its id in the outside system;
	// empty for an account of one club that needs no id there.
	Clubs map[string]string
	// Settings is a JSON object that satisfied the adapter's schema. Secrets
	// stand in it in clear: it must not be logged.
	Settings json.RawMessage
	// ReadOnly says that the connection is opened for a plan: nothing may be
	// written, and rosterd refuses to call what writes.
	ReadOnly bool
	// Logger writes to the daemon's log. It never receives personal data.
	Logger *slog.Logger
}

// Ability names one of the interfaces that an opened connection may have.
type Ability string

// The abilities of this version of the contract.
const (
	AbilitySource            Ability = "source"
	AbilityImportStarter     Ability = "import_starter"
	AbilityOutcomeSubscriber Ability = "outcome_subscriber"
	AbilityFieldLister       Ability = "field_lister"
	AbilityChecker           Ability = "checker"
	AbilityTarget            Ability = "target"
	AbilityFinder            Ability = "finder"
	AbilityGetter            Ability = "getter"
	AbilityStaffLister       Ability = "staff_lister"
	AbilityStaffFinder       Ability = "staff_finder"
	AbilityLeadSourceLister  Ability = "lead_source_lister"
	AbilityQuotaTeller       Ability = "quota_teller"
	AbilityClubLister        Ability = "club_lister"
)

// Info is an adapter's description of itself.
type Info struct {
	Name        string          `json:"name"`
	Version     string          `json:"version"`
	Description string          `json:"description,omitempty"`
	Settings    json.RawMessage `json:"settings,omitempty"`
	Kinds       []KindInfo      `json:"kinds,omitempty"`
	// Abilities are those that an opened connection can have at most.
	Abilities []Ability `json:"abilities"`
}

// Describe returns the adapter's description of itself.
func (a Adapter) Describe() Info {
	return Info{
		Name: a.Name, Version: a.Version, Description: a.Description,
		Settings: a.Settings, Kinds: a.Kinds, Abilities: a.Opener.Abilities(),
	}
}

// Opener opens connections. It is made by [Open], which keeps the type of the
// opened value so that an adapter can name its abilities before it is opened.
type Opener struct {
	abilities []Ability
	open      func(context.Context, Connection) (any, error)
}

// Open makes an [Opener] from a constructor. C is usually a pointer to the
// adapter's own type; its methods decide the abilities. The constructor
// validates the settings and must not call the outside system: that is what
// [Checker] is for. A fault in the settings is returned as [Fail] with
// [CodeConfig].
//
// An opened value serves concurrent calls. If it has a method Close() error,
// that is called when the connection is closed.
func Open[C any](open func(context.Context, Connection) (C, error)) Opener {
	var zero C
	return Opener{
		abilities: byMethods(zero),
		open: func(ctx context.Context, c Connection) (any, error) {
			v, err := open(ctx, c)
			if err != nil {
				return nil, err
			}
			return v, nil
		},
	}
}

// Abilities returns what an opened value can do at most.
func (o Opener) Abilities() []Ability { return o.abilities }

// Open opens one connection.
func (o Opener) Open(ctx context.Context, c Connection) (any, error) { return o.open(ctx, c) }

// Limited is implemented by an opened value whose abilities depend on its
// settings. Abilities returns those that it has; the others are not called.
type Limited interface {
	Abilities() []Ability
}

// AbilitiesOf returns the abilities of an opened value: those that its methods
// make, and of these only the ones that [Limited] names where v has it.
func AbilitiesOf(v any) []Ability {
	has := byMethods(v)
	l, ok := v.(Limited)
	if !ok {
		return has
	}
	limit := l.Abilities()
	return slices.DeleteFunc(has, func(a Ability) bool { return !slices.Contains(limit, a) })
}

func byMethods(v any) []Ability {
	var has []Ability
	add := func(ok bool, a Ability) {
		if ok {
			has = append(has, a)
		}
	}
	add(is[Source](v), AbilitySource)
	add(is[ImportStarter](v), AbilityImportStarter)
	add(is[OutcomeSubscriber](v), AbilityOutcomeSubscriber)
	add(is[FieldLister](v), AbilityFieldLister)
	add(is[Checker](v), AbilityChecker)
	add(is[Target](v), AbilityTarget)
	add(is[Finder](v), AbilityFinder)
	add(is[Getter](v), AbilityGetter)
	add(is[StaffLister](v), AbilityStaffLister)
	add(is[StaffFinder](v), AbilityStaffFinder)
	add(is[LeadSourceLister](v), AbilityLeadSourceLister)
	add(is[QuotaTeller](v), AbilityQuotaTeller)
	add(is[ClubLister](v), AbilityClubLister)
	return has
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}
