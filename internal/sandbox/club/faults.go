package club

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Fault is something that goes wrong with a request.
type Fault string

// The faults. Those in the first group have no effect but the fault; requests
// that meet one of the second are executed.
const (
	// TooMany is an answer 429 with Retry-After.
	TooMany Fault = "too_many"
	// Unavailable is an answer 503 with Retry-After.
	Unavailable Fault = "unavailable"
	// ErrorBefore is an answer 500.
	ErrorBefore Fault = "error_before"
	// ResetBefore resets the connection.
	ResetBefore Fault = "reset_before"
	// Hang answers nothing until the caller gives up.
	Hang Fault = "hang"
	// FailureInside is an answer 200 that says "ok": false.
	FailureInside Fault = "failure_inside"
	// Redirect is an answer 307 to the same address.
	Redirect Fault = "redirect"

	// Late resets the connection and executes the request afterwards, within
	// [Options].ExecLag, whether the caller is there or not.
	Late Fault = "late"
	// LoseAnswer resets the connection in place of the answer.
	LoseAnswer Fault = "lose_answer"
	// ErrorAfter is an answer 500.
	ErrorAfter Fault = "error_after"
	// HangAfter answers nothing until the caller gives up.
	HangAfter Fault = "hang_after"
	// CutBody breaks the connection in the middle of the answer.
	CutBody Fault = "cut_body"
	// WrongID answers with another record in place of the right one.
	WrongID Fault = "wrong_id"
	// PlainOK answers 200 where a create is answered 201.
	PlainOK Fault = "plain_ok"

	// LookAlike stores a record with the name, address and phone numbers of the
	// one that is created, as if by somebody else: before it, after it, or later
	// within [Options].ExecLag. It happens beside the other faults.
	LookAlike Fault = "look_alike"
)

// Faults lists every [Fault].
func Faults() []Fault {
	return []Fault{
		TooMany, Unavailable, ErrorBefore, ResetBefore, Hang, FailureInside, Redirect,
		Late, LoseAnswer, ErrorAfter, HangAfter, CutBody, WrongID, PlainOK, LookAlike,
	}
}

// Plan says for calls with which probability, from 0 to 1, each fault happens.
// A call that it does not name has the faults of [CallAny]. A request meets at
// most one fault, beside [LookAlike]: together they are at most 1.
type Plan map[Call]map[Fault]float64

// Validate says what is wrong with the plan, all of it.
func (p Plan) Validate() error {
	var errs []error
	for _, call := range slices.Sorted(maps.Keys(p)) {
		if call != CallAny && !slices.Contains(calls(), call) {
			errs = append(errs, fmt.Errorf("faults are planned for the call %q, which is none of *, %s", call, strings.Join(texts(calls()), ", ")))
		}
		sum := 0.0
		for _, fault := range slices.Sorted(maps.Keys(p[call])) {
			chance := p[call][fault]
			switch {
			case !slices.Contains(Faults(), fault):
				errs = append(errs, fmt.Errorf("the fault %q is none of %s", fault, strings.Join(texts(Faults()), ", ")))
			case chance < 0 || chance > 1 || chance != chance:
				errs = append(errs, fmt.Errorf("the probability of %s.%s is from 0 to 1", call, fault))
			case fault != LookAlike:
				sum += chance
			}
		}
		if sum > 1+1e-9 {
			errs = append(errs, fmt.Errorf("the faults of %s are more probable than 1 together", call))
		}
	}
	return errors.Join(errs...)
}

func (p Plan) clone() Plan {
	c := make(Plan, len(p))
	for call, faults := range p {
		c[call] = maps.Clone(faults)
	}
	return c
}

// of returns the faults of a call.
func (p Plan) of(call Call) map[Fault]float64 {
	if faults, ok := p[call]; ok {
		return faults
	}
	return p[CallAny]
}

// drawn is what was drawn for one request.
type drawn struct {
	fault     Fault // empty for none
	lookAlike bool
	random    *rand.Rand
}

// drawing is what faults are drawn from. It is used with the platform's lock
// held.
type drawing struct {
	seed uint64
	// seen counts the requests by a hash of what they are about.
	seen map[uint64]uint64
}

func newDrawing(seed uint64) drawing {
	return drawing{seed: seed, seen: make(map[uint64]uint64)}
}

// draw draws for a request that is about identity. The n-th request about the
// same thing always meets the same fault.
func (d *drawing) draw(faults map[Fault]float64, identity string) drawn {
	if len(faults) == 0 {
		return drawn{}
	}
	at := hashOf(identity)
	d.seen[at]++
	r := rand.New(rand.NewPCG(d.seed^at, d.seen[at]))
	out := drawn{random: r, lookAlike: r.Float64() < faults[LookAlike]}
	left := r.Float64()
	for _, fault := range Faults() {
		if fault == LookAlike || faults[fault] == 0 {
			continue
		}
		if left -= faults[fault]; left < 0 {
			out.fault = fault
			break
		}
	}
	return out
}

// hashOf is the same in every process (FNV-1a).
func hashOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
