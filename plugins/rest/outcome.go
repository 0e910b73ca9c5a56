package main

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// outcome is what came back from one write.
type outcome struct {
	c    *connection
	k    *kind
	w    *write
	op   sdk.Operation
	sent httpx.Sent
	// status and proven are those of the answer, or of the status in its body.
	status int
	proven sdk.Outcome
	doc    any
}

// result says what became of the operation. Only what is proven not executed is
// refused: the status decides, and then the body.
func (o outcome) result() sdk.Result {
	said := o.c.spec.errors.judge(o.doc)
	status := o.status
	switch {
	case status == 0:
		return o.noAnswer()
	case o.sent.Err != nil && o.proven == sdk.OutcomeUnknown:
		return o.unknown("the answer broke off")
	case said == unsure && o.proven != sdk.OutcomeRefused:
		return o.unknown("whether it was done is not known")
	case status == http.StatusConflict:
		return o.conflict()
	case o.missing(said):
		return o.gone()
	case status == http.StatusServiceUnavailable && o.c.spec.errors.safe503:
		return o.later(sdk.CodeUnavailable)
	case o.proven == sdk.OutcomeRefused:
		return o.refused(said)
	case o.proven == sdk.OutcomeUnknown:
		return o.unknown("whether it was done is not known")
	}
	return o.success(said)
}

// words say what the service answered, without values.
func (o outcome) words() string {
	return o.w.method + " " + o.w.shown() + " " + o.c.spec.errors.words(o.c.http, o.status, o.doc)
}

func (o outcome) unknown(why string) sdk.Result {
	return sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable, Detail: o.words() + ": " + why}
}

// noAnswer handles a call that failed before an answer began.
func (o outcome) noAnswer() sdk.Result {
	detail := o.sent.Err.Error()
	if o.sent.Outcome != sdk.OutcomeRefused {
		return sdk.Result{Outcome: sdk.OutcomeUnknown, Code: sdk.CodeUnavailable, Detail: detail}
	}
	r := refuse(sdk.ClassRetry, sdk.CodeUnavailable, "not sent: "+detail)
	if errors.Is(o.sent.Err, httpx.ErrReadOnly) {
		r.Class, r.Code = sdk.ClassFail, sdk.CodeInternal
	}
	if e, ok := errors.AsType[*sdk.Error](o.sent.Err); ok {
		r.Class, r.Code, r.After = e.Class, e.Code, e.After
	}
	return r
}

// missing reports whether the record of the operation is not there.
func (o outcome) missing(said verdict) bool {
	if o.op.Op == sdk.OpCreate {
		return false
	}
	return o.status == http.StatusNotFound || o.status == http.StatusGone || said == gone && o.proven != sdk.OutcomeUnknown
}

func (o outcome) gone() sdk.Result {
	if o.op.Op == sdk.OpDelete {
		return sdk.Result{Outcome: sdk.OutcomeOK, ID: o.op.ID, Warnings: []string{"the record was gone before"}}
	}
	return refuse(sdk.ClassReject, sdk.CodeData, o.words()+": the record is gone")
}

// conflict: a record is in the way.
func (o outcome) conflict() sdk.Result {
	id := strings.TrimSpace(o.c.spec.errors.conflictID.text(o.doc))
	if !isID(id) {
		id = ""
	}
	return sdk.Result{
		Outcome: sdk.OutcomeConflict, ID: id, Class: sdk.ClassReject, Code: sdk.CodeData,
		Detail: o.words() + ": a record is in the way",
	}
}

func (o outcome) later(code sdk.Code) sdk.Result {
	r := refuse(sdk.ClassRetry, code, o.words())
	r.After = o.sent.RetryAfter
	return r
}

// refused handles a status that proves that nothing was done.
func (o outcome) refused(said verdict) sdk.Result {
	switch o.status {
	case http.StatusTooManyRequests:
		return o.later(sdk.CodeQuota)
	case http.StatusUnauthorized:
		if o.sent.Renewed {
			// The token may have been too old; the next one is fresh.
			return o.later(sdk.CodeAuth)
		}
		return refuse(sdk.ClassFail, sdk.CodeAuth, o.words()+": the credentials are refused")
	case http.StatusForbidden:
		return refuse(sdk.ClassFail, sdk.CodeAuth, o.words()+": the credentials may not do this")
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return refuse(sdk.ClassFail, sdk.CodeConfig, o.words()+": check the call's method and path")
	}
	return o.against(said)
}

// against turns what a body says of a failure into a refusal.
func (o outcome) against(said verdict) sdk.Result {
	switch said {
	case later:
		return o.later(sdk.CodeUnavailable)
	case broken:
		return refuse(sdk.ClassFail, sdk.CodeConfig, o.words())
	case taken:
		return o.conflict()
	case fine, silent, failed, gone, unsure:
	}
	return refuse(sdk.ClassReject, sdk.CodeData, o.words())
}

// success handles a status of success: the body may still say otherwise.
func (o outcome) success(said verdict) sdk.Result {
	empty := o.sent.Status == http.StatusNoContent
	switch {
	case said == silent && !empty:
		return o.unknown("the answer does not say whether it was done")
	case said != fine && said != silent:
		return o.against(said)
	}
	if !makes(o.op.Op) {
		return sdk.Result{Outcome: sdk.OutcomeOK, ID: o.op.ID}
	}
	id := o.id()
	if o.another() {
		return o.unknown("the answer is about another record")
	}
	if o.w.created != 0 && o.sent.Status != o.w.created {
		return sdk.Result{
			Outcome: sdk.OutcomeConflict, ID: id, Class: sdk.ClassReject, Code: sdk.CodeData,
			Detail: o.words() + ": the record was there already",
		}
	}
	if id == "" {
		return o.unknown("the answer has no id of the record")
	}
	return sdk.Result{Outcome: sdk.OutcomeOK, ID: id}
}

// another reports whether the answer is a record with another marker than the
// one that was sent, or with an empty one.
func (o outcome) another() bool {
	if o.k.marker == nil || o.w.id.at != o.k.id || !o.w.uses("marker") {
		return false
	}
	v, there := o.k.marker.get(o.doc)
	return there && word(v) != o.op.Marker
}

// id is the id of the record that was made; empty where the answer has none.
func (o outcome) id() string {
	place := o.w.id
	id := place.at.text(o.doc)
	switch {
	case place.location:
		if u, err := url.Parse(o.sent.Header.Get("Location")); err == nil {
			segments := strings.Split(strings.TrimRight(u.EscapedPath(), "/"), "/")
			id, _ = url.PathUnescape(segments[len(segments)-1])
		}
	case len(place.sent) > 0:
		id, _ = place.sent.text(o.c.scope(map[string]string{
			"id": o.op.ID, "key": o.op.Key, "marker": o.op.Marker, "club": o.op.Club,
		}, nil))
	}
	if id = strings.TrimSpace(id); !isID(id) {
		return ""
	}
	return id
}
