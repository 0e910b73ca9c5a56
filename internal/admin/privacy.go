package admin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// Privacy finds what is stored of one person, and erases it.
type Privacy interface {
	// Person gathers what is stored of a person and stores nothing. A person who may
	// be several is a [*roster.Fault].
	Person(ctx context.Context, who PersonQuery) (PersonReport, error)
	// ErasePerson removes it and leaves the person out from then on. It fails with a
	// [*roster.Fault], and has removed nothing, while a run of the account is under
	// way.
	ErasePerson(ctx context.Context, order EraseOrder) (Erasure, error)
	// Tombstones tells who is left out of an account, or of all where that is empty.
	Tombstones(ctx context.Context, account string) ([]roster.Tombstone, error)
	// LiftTombstone lets a person be taken again. An unknown one is
	// [roster.ErrNotFound].
	LiftTombstone(ctx context.Context, id, by string) (roster.Tombstone, error)
}

// PersonQuery says who is meant: by the id of a record, or by an e-mail address.
type PersonQuery struct {
	// Account is the key of the account; Job, account/job, stands for it and for the
	// connection that the job reads.
	Account, Job string
	// Connection and Kind say of which system and kind the record with the id is;
	// empty for whichever knows it.
	Connection string
	Kind       sdk.Kind
	ID, Email  string
}

// EraseOrder says whom to erase.
type EraseOrder struct {
	PersonQuery

	// BlockEmail leaves out every record with the address from then on.
	BlockEmail bool
	// Reason is why, in words that name nobody; By says who asks.
	Reason, By string
}

// PersonReport is what is stored of a person. It is personal data.
type PersonReport struct {
	Account string    `json:"account"`
	Asked   time.Time `json:"asked"`
	roster.Holding
	// Unsearched is what was not looked at, and why.
	Unsearched []string `json:"unsearched"`
	// Elsewhere is what concerns the person and is not rosterd's to give or to remove.
	Elsewhere []string `json:"elsewhere"`
	// Busy are runs and sessions under way that may hold the person.
	Busy []string `json:"busy"`
}

// Erasure is what came of erasing a person.
type Erasure struct {
	PersonReport

	Tombstone roster.Tombstone `json:"tombstone"`
	// Overwritten says that the file of the database does not hold what was removed
	// any more; Remains says why it may.
	Overwritten bool   `json:"overwritten"`
	Remains     string `json:"remains,omitempty"`
}

type tombstonesBody struct {
	Tombstones []roster.Tombstone `json:"tombstones"`
}

// personParams are the parameters of [query.person].
func personParams(more ...string) []string {
	return append([]string{"account", "job", "connection", "kind", "id", "email"}, more...)
}

func (q *query) person() PersonQuery {
	who := PersonQuery{
		Account: q.account(), Job: q.job(), Connection: q.text("connection", "account/connection", validRef),
		Kind: sdk.Kind(q.text("kind", "one of "+join(sdk.Kinds()), func(v string) bool { return sdk.Kind(v).Valid() })),
		ID:   q.record("id"),
	}
	if q.values.Has("account") == q.values.Has("job") {
		q.bad.add("account", "or job must be given, and not both")
	}
	if q.values.Has("id") == q.values.Has("email") {
		q.bad.add("id", "or email must be given, and not both")
	}
	if q.values.Has("email") {
		if who.Email = roster.NormalEmail(q.values.Get("email")); who.Email == "" {
			q.bad.add("email", "must be an e-mail address")
		}
	}
	return who
}

func (q *query) account() string { return q.text("account", "the key of an account", validKey) }

func (a *API) person(w http.ResponseWriter, r *http.Request, q *query) error {
	who := q.person()
	if err := q.err(); err != nil {
		return err
	}
	report, err := a.o.Privacy.Person(r.Context(), who)
	if err != nil {
		return a.unknownPerson(r, who, err)
	}
	a.o.Logger.InfoContext(r.Context(), "what is stored of a person was given out", "request", requestID(r.Context()),
		"account", report.Account, "by", a.caller(r))
	report.listed()
	return reply(w, http.StatusOK, report)
}

func (r *PersonReport) listed() {
	r.Subjects, r.Held, r.Unsearched, r.Elsewhere, r.Busy = list(r.Subjects), list(r.Held), list(r.Unsearched), list(r.Elsewhere), list(r.Busy)
}

func (a *API) erasePerson(w http.ResponseWriter, r *http.Request, q *query) error {
	order := EraseOrder{PersonQuery: q.person(), BlockEmail: q.bool("block_email"), Reason: q.reason(), By: a.caller(r)}
	if names(order.Reason, order.PersonQuery) {
		q.bad.add("reason", "names the person; it is kept in clear, so write why without saying who")
	}
	if order.BlockEmail && order.Email == "" {
		q.bad.add("block_email", "needs email")
	}
	if err := q.err(); err != nil {
		return err
	}
	done, err := a.o.Privacy.ErasePerson(r.Context(), order)
	if err != nil {
		return a.unknownPerson(r, order.PersonQuery, err)
	}
	a.o.Logger.InfoContext(r.Context(), "a person was erased", "request", requestID(r.Context()), "account", done.Account,
		"tombstone", done.Tombstone.ID, "items", len(done.Held), "overwritten", done.Overwritten, "by", order.By)
	done.listed()
	return reply(w, http.StatusOK, done)
}

// leastName is how long an id is that is not found in other words by chance.
const leastName = 4

// names reports whether a reason says who is meant.
func names(reason string, who PersonQuery) bool {
	reason = strings.ToLower(reason)
	return who.Email != "" && strings.Contains(reason, who.Email) ||
		len(who.ID) >= leastName && strings.Contains(reason, strings.ToLower(who.ID))
}

// unknownPerson names the jobs that may be meant where a job is unknown.
func (a *API) unknownPerson(r *http.Request, who PersonQuery, err error) error {
	if job, ok := unknownJobOf(err); ok && job == who.Job {
		return a.unknownJob(r.Context(), job, err)
	}
	return err
}

func (a *API) tombstones(w http.ResponseWriter, r *http.Request, q *query) error {
	account := q.account()
	if err := q.err(); err != nil {
		return err
	}
	found, err := a.o.Privacy.Tombstones(r.Context(), account)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, tombstonesBody{list(found)})
}

func (a *API) liftTombstone(w http.ResponseWriter, r *http.Request, _ *query) error {
	by := a.caller(r)
	lifted, err := a.o.Privacy.LiftTombstone(r.Context(), r.PathValue("id"), by)
	if err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "a tombstone was lifted", "request", requestID(r.Context()), "account", lifted.Account,
		"tombstone", lifted.ID, "by", by)
	return reply(w, http.StatusOK, lifted)
}

func (p PersonQuery) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"account": p.Account, "job": p.Job, "connection": p.Connection, "kind": string(p.Kind), "id": p.ID, "email": p.Email,
	} {
		set(q, name, value)
	}
	return q
}

// Person gathers what is stored of a person.
func (c *Client) Person(ctx context.Context, who PersonQuery) (PersonReport, error) {
	var report PersonReport
	err := c.call(ctx, http.MethodGet, "/v1/privacy/person", who.query(), &report)
	return report, err
}

// ErasePerson removes what is stored of a person. By is not sent: the daemon knows.
func (c *Client) ErasePerson(ctx context.Context, order EraseOrder) (Erasure, error) {
	q := order.query()
	q.Set("reason", order.Reason)
	if order.BlockEmail {
		q.Set("block_email", "true")
	}
	var done Erasure
	err := c.call(ctx, http.MethodPost, "/v1/privacy/erase", q, &done)
	return done, err
}

// Tombstones tells who is left out of an account, or of all where that is empty.
func (c *Client) Tombstones(ctx context.Context, account string) ([]roster.Tombstone, error) {
	q := url.Values{}
	set(q, "account", account)
	var body tombstonesBody
	err := c.call(ctx, http.MethodGet, "/v1/privacy/tombstones", q, &body)
	return body.Tombstones, err
}

// LiftTombstone lets a person be taken again.
func (c *Client) LiftTombstone(ctx context.Context, id string) (roster.Tombstone, error) {
	var lifted roster.Tombstone
	err := c.call(ctx, http.MethodPost, "/v1/privacy/tombstones/"+segment(id)+"/lift", nil, &lifted)
	return lifted, err
}
