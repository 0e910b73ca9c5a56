package connector

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/internal/callers"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

const pathPrefix = "/connector/api/2011-11/"

// Address is where other systems push to, below the public address of the daemon:
// users, staff and lead sources each by a name of their own behind it.
func Address(publicURL string) string { return strings.TrimSuffix(publicURL, "/") + pathPrefix }

func resourceOf(path string) (resource, bool) {
	name, ok := strings.CutPrefix(path, pathPrefix)
	for _, r := range []resource{resourceUser, resourceStaff, resourceLeadSource} {
		if ok && name == r.String() {
			return r, true
		}
	}
	return 0, false
}

// request is one that was read, and not yet judged.
type request struct {
	what    resource
	doc     document
	address address
	user    string
	secret  string
}

func (c *Connector) serve(w http.ResponseWriter, r *http.Request, what resource) {
	answerJSON := wantsJSON(r)
	body, err := c.answer(w, r, what, answerJSON)
	if err != nil {
		c.fail(w, err, what, answerJSON)
		return
	}
	write(w, http.StatusOK, answerJSON, body)
}

// answer reads a request and carries it out. Who the caller is, is judged when
// everything was read, so that a refusal takes the same time whatever is wrong.
func (c *Connector) answer(w http.ResponseWriter, r *http.Request, what resource, answerJSON bool) ([]byte, error) {
	from := callers.Limited(callers.Address(r, c.o.TrustedProxies))
	if c.addresses.Exhausted(from, c.o.Now()) {
		return nil, &failure{status: http.StatusTooManyRequests, reason: ReasonRate, message: "too many requests from this address were refused"}
	}
	q := request{what: what}
	var ok bool
	if q.user, q.secret, ok = credentials(r); !ok {
		c.addresses.Charge(from, c.o.Now())
		return nil, refused(errCredentials)
	}
	readErr := c.read(w, r, &q)
	e, refusal := c.judge(&q, readErr)
	if refusal != nil {
		if refusal.status == http.StatusUnauthorized {
			c.addresses.Charge(from, c.o.Now())
		}
		return nil, refusal
	}
	if !e.limiter.AllowN(c.o.Now(), 1) {
		return nil, &failure{status: http.StatusTooManyRequests, reason: ReasonRate, message: "too many requests of this provider", conn: e.Ref}
	}
	if r.Method == http.MethodGet {
		return c.fetch(r.Context(), e, &q, answerJSON)
	}
	return c.save(r.Context(), e, &q, answerJSON)
}

// credentials takes the provider's name, which a token comes without, and the
// secret.
func credentials(r *http.Request) (user, secret string, ok bool) {
	if user, secret, ok = r.BasicAuth(); ok {
		return user, secret, secret != ""
	}
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return "", token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// read reads who a request is from and about whom, and the body of a save.
func (c *Connector) read(w http.ResponseWriter, r *http.Request, q *request) (err error) {
	if r.Method == http.MethodGet {
		q.address, err = queryAddress(r.URL.RawQuery, q.what)
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
			return &failure{status: http.StatusRequestEntityTooLarge, reason: ReasonValidation, message: "the body is longer than 64 KiB"}
		}
		return badBody("it ends too early")
	}
	isJSON, ok := bodyForm(r)
	if !ok {
		return &failure{
			status: http.StatusUnsupportedMediaType, reason: ReasonValidation,
			message: "set the Content-Type to application/xml, text/xml or application/json, and send UTF-8 that is not compressed",
		}
	}
	if isJSON {
		q.doc, err = readJSON(body)
	} else {
		q.doc, err = readXML(body)
	}
	if err == nil {
		q.address, err = addressOf(&q.doc)
	}
	return err
}

// judge finds the endpoint that a request addresses with its secret. What is wrong
// with a body is told only to whom some secret of this installation is known.
func (c *Connector) judge(q *request, readErr error) (*Endpoint, *failure) {
	known := c.all.Has(q.secret)
	e, ok := c.endpoints[sender{q.address.provider, q.address.client}]
	if !ok {
		e = c.nobody
	}
	proven, hasClub := e.secrets.Has(q.secret), e.hasClub(q.address.club)
	named := q.user == "" || callers.SameText(q.user, q.address.provider)
	f, isFailure := errors.AsType[*failure](readErr)
	switch {
	case !known:
		return nil, refused(errSecret)
	case isFailure:
		return nil, f
	case readErr != nil:
		return nil, invalid("", readErr)
	case !named:
		return nil, refused(errProvider)
	case !ok:
		return nil, refused(errClient)
	case !proven:
		return nil, refused(errSecret)
	case !hasClub:
		return nil, refused(errClub)
	}
	return e, nil
}

// bodyForm tells the form of a save's body. Senders of the Connector's time may
// say nothing of it.
func bodyForm(r *http.Request) (isJSON, ok bool) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return false, false
	}
	declared := r.Header.Get("Content-Type")
	if declared == "" {
		return false, true
	}
	media, parameters, err := mime.ParseMediaType(declared)
	if charset := parameters["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false, false
	}
	switch media {
	case "application/json":
		return true, true
	case "application/xml", "text/xml":
		return false, true
	}
	return false, false
}

// wantsJSON tells the form of the answer: what the caller accepts, else what it
// sends, else XML.
func wantsJSON(r *http.Request) bool {
	accept := strings.ToLower(r.Header.Get("Accept"))
	if strings.Contains(accept, "json") != strings.Contains(accept, "xml") {
		return strings.Contains(accept, "json")
	}
	isJSON, _ := bodyForm(r)
	return isJSON
}

const maxQueryBytes = 4 << 10

// queryAddress reads whom a fetch asks for.
func queryAddress(raw string, what resource) (a address, err error) {
	if len(raw) > maxQueryBytes {
		return a, badBody("the query is longer than %d bytes", maxQueryBytes)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return a, badBody("the query is malformed")
	}
	into := map[string]*string{"provider": &a.provider, "client_id": &a.client, "club_id": &a.club, "recordID": &a.record}
	if what == resourceLeadSource && !values.Has("recordID") {
		delete(into, "recordID")
		into["identifier"] = &a.record
	}
	for name, field := range into {
		list := values[name]
		if len(list) > 1 {
			return a, badBody("%s is there twice", name)
		}
		if len(list) == 1 {
			*field = list[0]
		}
		if err := checkID(name, *field, name != "club_id"); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (c *Connector) save(ctx context.Context, e *Endpoint, q *request, answerJSON bool) ([]byte, error) {
	record, err := e.record(&q.doc, q.what, q.address)
	if err != nil {
		return nil, invalid(e.Ref, err)
	}
	record.At = c.o.Now()
	_, err = c.o.Store.SaveInbound(ctx, e.Ref, record, c.o.MaxWaiting)
	if errors.Is(err, roster.ErrErased) {
		return nil, &failure{
			status: http.StatusGone, reason: ReasonErased, message: "the person was erased here at their wish; do not send the record again", conn: e.Ref,
		}
	}
	if err != nil {
		message := "the record could not be stored; send it again later"
		if errors.Is(err, roster.ErrFull) {
			message = "too many records wait to be read; send it again later"
		}
		return nil, &failure{status: http.StatusServiceUnavailable, reason: ReasonDatabase, message: message, conn: e.Ref, cause: err}
	}
	c.o.Counter.Saved(e.Ref, record.Kind, q.doc.unknown())
	if c.o.Saved != nil {
		c.o.Saved(e.Ref)
	}
	return savedBody(c.answerID(e, record.Kind, record.ID), answerJSON), nil
}

// fetch answers with what waits of a record, or with what the system has to which
// it went.
func (c *Connector) fetch(ctx context.Context, e *Endpoint, q *request, answerJSON bool) ([]byte, error) {
	id, err := e.sourceID(q.address.club, q.address.record)
	if err != nil {
		return nil, refused(errClub)
	}
	found, err := c.find(ctx, e, q, id)
	if err != nil {
		return nil, err
	}
	c.o.Counter.Fetched(e.Ref)
	return foundBody(e, q, found, answerJSON), nil
}

func (c *Connector) find(ctx context.Context, e *Endpoint, q *request, id string) (Found, error) {
	waits, err := c.o.Store.InboundLatest(ctx, e.Ref, q.what.kinds()[0], id)
	switch {
	case err == nil && len(e.clubs) > 0 && waits.Club != q.address.club:
		return Found{}, notFound(e)
	case err == nil:
		found := Found{Kind: waits.Kind, Fields: map[string]string{}}
		for name, text := range waits.Fields {
			if text != nil {
				found.Fields[name] = *text
			}
		}
		return found, nil
	case !errors.Is(err, roster.ErrNotFound):
		return Found{}, &failure{
			status: http.StatusServiceUnavailable, reason: ReasonDatabase, message: "the record could not be looked for", conn: e.Ref, cause: err,
		}
	case c.o.Live == nil:
		return Found{}, notFound(e)
	}
	return c.ask(ctx, e, q.what.kinds(), id)
}

func notFound(e *Endpoint) *failure {
	return &failure{status: http.StatusNotFound, reason: ReasonNotFound, message: "there is no such record here", conn: e.Ref}
}

// ask reads a record live, in bounded time and with few others.
func (c *Connector) ask(ctx context.Context, e *Endpoint, kinds []sdk.Kind, id string) (Found, error) {
	unavailable := &failure{
		status: http.StatusServiceUnavailable, reason: ReasonUnavailable, message: "the system that has the record does not answer", conn: e.Ref,
	}
	select {
	case c.live <- struct{}{}:
		defer func() { <-c.live }()
	default:
		unavailable.message = "too many records are being fetched; ask again later"
		return Found{}, unavailable
	}
	ctx, cancel := context.WithTimeout(ctx, liveTime)
	defer cancel()
	found, err := c.o.Live(ctx, e.Ref, kinds, id)
	switch {
	case errors.Is(err, roster.ErrNotFound):
		return Found{}, notFound(e)
	case err != nil:
		unavailable.cause = err
		return Found{}, unavailable
	}
	return found, nil
}

// fail answers with an error, and logs it under the UUID that the caller learns.
func (c *Connector) fail(w http.ResponseWriter, err error, what resource, answerJSON bool) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{status: http.StatusInternalServerError, reason: ReasonUnknown, message: "the request could not be carried out", cause: err}
	}
	c.o.Counter.Refused(f.conn, f.reason)
	id := c.o.NewID()
	level := slog.LevelWarn
	if f.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if f.conn != "" || c.warnings.AllowN(c.o.Now(), 1) {
		c.log.Log(context.Background(), level, "a pushing system was answered with an error", "error_uuid", id, "connection", f.conn,
			"call", what.String(), "status", f.status, "reason", string(f.reason), "err", f.Error())
	}
	header := w.Header()
	switch f.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Basic realm="connector", charset="UTF-8"`)
		header.Add("WWW-Authenticate", `Bearer realm="connector"`)
		header.Set("Connection", "close")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", "5")
	}
	write(w, f.status, answerJSON, errorBody(f, id, answerJSON))
}
