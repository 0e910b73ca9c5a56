package club

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Options configure a [Platform]. The zero value of each field is usable.
type Options struct {
	// Token is the bearer token of calls. Username and Password are accepted as
	// well, as basic authentication. All empty accepts anybody.
	Token, Username, Password string
	// Clubs are the platform's clubs; [DefaultClubs] if empty.
	Clubs []Club
	// Records are there from the start, as [Seed] makes them.
	Records []Record
	// Class says what creates can be held to; [ClassC] if empty.
	Class Class
	// KeyTTL is how long an idempotency key is remembered ([ClassA]); 24 hours
	// if 0.
	KeyTTL time.Duration
	// Without are the calls that the platform lacks: "create" for every kind, or
	// "member.create" for one.
	Without []string
	// Update says what an update does to fields that it does not carry;
	// [Patch] if empty.
	Update Update
	// SameRecord makes a member of a prospect by an update: of the prospect, with
	// a type that members have, or of the member with the prospect's id. The
	// record and the id stay, and there is no call that converts.
	SameRecord bool
	// Normalise stores names trimmed and in title case, e-mail addresses in lower
	// case and phone numbers as digits.
	Normalise bool
	// Required are the fields that prospects and members must have; first_name
	// and last_name if nil.
	Required []string
	// MaxLength are the largest numbers of characters by field.
	MaxLength map[string]int
	// Limit bounds the rate of calls.
	Limit Limit
	// ErrorsIn200 answers every error with status 200 and "ok": false, and
	// everything else with "ok": true.
	ErrorsIn200 bool
	// IgnoreFilters answers a list with a filter that the platform does not know
	// as if there were none. Otherwise it is an error.
	IgnoreFilters bool
	// HideConflict does not name the record that is in the way of another one.
	HideConflict bool
	// Paging is how lists are paged; [PageNumbers] if empty. PerPage is the
	// number of records where a request names none, MaxPerPage the largest; 50
	// and 500 if 0.
	Paging              Paging
	PerPage, MaxPerPage int
	// Faults is what goes wrong from the start.
	Faults Plan
	// ExecLag is the longest time after which a request that fared [Late] takes
	// effect; IndexLag the time for which lists and searches do not show a new
	// record.
	ExecLag, IndexLag time.Duration
	// RetryAfter goes with the answers 429 and 503, in the form that
	// RetryAfterForm names; 1 second if 0.
	RetryAfter     time.Duration
	RetryAfterForm RetryAfterForm
	// HangFor bounds how long a request hangs; a minute if 0.
	HangFor time.Duration
	// Seed makes ids and faults the same in each run.
	Seed uint64
	// FaultsByPerson draws the faults of a create by the person that it is about
	// and not by its marker or key, so that they are the same for every caller.
	FaultsByPerson bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger tells which faults happen, without personal data; nil is silence.
	Logger *slog.Logger
}

// Club is one location.
type Club struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// DefaultClubs are the clubs of a platform for which none are named.
func DefaultClubs() []Club { return []Club{{ID: "12", Name: "Downtown"}, {ID: "13", Name: "Airport"}} }

// Class says what the platform offers against a record that is created twice.
type Class string

// The classes, the strongest first.
const (
	// ClassA honours the header Idempotency-Key: the same key gives the same
	// record for a time, and another content under it is refused.
	ClassA Class = "A"
	// ClassB keeps the caller's external_id unique, and writes under it.
	ClassB Class = "B"
	// ClassBPrime refuses a second record of a kind with the same e-mail address.
	ClassBPrime Class = "B'"
	// ClassC stores external_ref and finds records by it. It does not keep it
	// unique.
	ClassC Class = "C"
	// ClassD finds records only by e-mail address, phone and name, as all above do.
	ClassD Class = "D"
	// ClassE finds nothing.
	ClassE Class = "E"
)

// Classes lists every [Class].
func Classes() []Class { return []Class{ClassA, ClassB, ClassBPrime, ClassC, ClassD, ClassE} }

// Update says what an update does to fields that it does not carry.
type Update string

// The kinds of update.
const (
	// Patch leaves them.
	Patch Update = "patch"
	// Replace empties them, the marker included. The club, the type, the status
	// and the external id stay.
	Replace Update = "replace"
)

// Paging is how a list is read page by page.
type Paging string

// The kinds of paging.
const (
	PageNumbers Paging = "page"
	Offsets     Paging = "offset"
	Cursors     Paging = "cursor"
)

// RetryAfterForm is the form of the header Retry-After.
type RetryAfterForm string

// The forms.
const (
	// RetryAfterAny is one of the other two by chance. It is the default.
	RetryAfterAny     RetryAfterForm = ""
	RetryAfterSeconds RetryAfterForm = "seconds"
	RetryAfterDate    RetryAfterForm = "date"
	// RetryAfterNone sends no such header.
	RetryAfterNone RetryAfterForm = "none"
)

// Limit bounds the number of calls; 0 is no bound. Its times are those of the
// platform's clock: the day ends at midnight UTC.
type Limit struct {
	PerSecond, PerMinute, PerDay int
}

// Call is one kind of call.
type Call string

// The calls.
const (
	CallList       Call = "list"
	CallFind       Call = "find"
	CallGet        Call = "get"
	CallCreate     Call = "create"
	CallSave       Call = "save"
	CallUpsert     Call = "upsert"
	CallUpdate     Call = "update"
	CallDeactivate Call = "deactivate"
	CallDelete     Call = "delete"
	CallTransfer   Call = "transfer"
	CallConvert    Call = "convert"
	// CallClubs lists the clubs; in [Options].Without it is "clubs".
	CallClubs Call = "clubs"
	// CallAny stands for every call in a [Plan].
	CallAny Call = "*"
)

func calls() []Call {
	return []Call{
		CallList, CallFind, CallGet, CallCreate, CallSave, CallUpsert, CallUpdate, CallDeactivate, CallDelete, CallTransfer,
		CallConvert, CallClubs,
	}
}

// offers reports whether platforms of a class have a call for a kind, before
// [Options].Without is looked at.
func offers(c Class, k Kind, call Call) bool {
	switch call {
	case CallUpsert:
		return c == ClassB && k.isPerson()
	case CallFind:
		return c != ClassE || !k.isPerson()
	case CallTransfer:
		return k != LeadSource
	case CallConvert:
		return k == Prospect
	case CallClubs:
		return false // it is of no kind
	default:
		return true
	}
}

func (o Options) withDefaults() Options {
	if len(o.Clubs) == 0 {
		o.Clubs = DefaultClubs()
	}
	if o.Class == "" {
		o.Class = ClassC
	}
	if o.Update == "" {
		o.Update = Patch
	}
	if o.Paging == "" {
		o.Paging = PageNumbers
	}
	if o.Required == nil {
		o.Required = []string{fieldFirst, fieldLast}
	}
	orElse(&o.KeyTTL, 24*time.Hour)
	orElse(&o.PerPage, 50)
	orElse(&o.MaxPerPage, 500)
	orElse(&o.RetryAfter, time.Second)
	orElse(&o.HangFor, time.Minute)
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of the clock that is passed in
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orElse[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Validate says what is wrong with the options, all of it.
func (o Options) Validate() error {
	var errs []error
	oneOf := func(name, value string, known ...string) {
		if value != "" && !slices.Contains(known, value) {
			errs = append(errs, fmt.Errorf("%s is one of %s, and not %q", name, strings.Join(known, ", "), value))
		}
	}
	oneOf("class", string(o.Class), texts(Classes())...)
	oneOf("update", string(o.Update), string(Patch), string(Replace))
	oneOf("paging", string(o.Paging), string(PageNumbers), string(Offsets), string(Cursors))
	oneOf("retry-after", string(o.RetryAfterForm), string(RetryAfterSeconds), string(RetryAfterDate), string(RetryAfterNone))
	for _, name := range o.Without {
		kind, call, ok := strings.Cut(name, ".")
		if !ok {
			kind, call = "", name
		}
		oneOf("the kind of a call that it is without", kind, texts(Kinds())...)
		oneOf("a call that it is without", call, texts(calls())...)
	}
	if o.ExecLag < 0 || o.IndexLag < 0 {
		errs = append(errs, errors.New("a lag is not negative"))
	}
	return errors.Join(append(errs, o.Faults.Validate())...)
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
