package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a finding stops the daemon.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Code names the cause of a [Fault]. It is stable: scripts may rely on it.
type Code string

// The codes of faults and warnings.
const (
	CodeFile       Code = "config.file"
	CodeSyntax     Code = "config.syntax"
	CodeUnknownKey Code = "config.unknown_key"
	CodeDuplicate  Code = "config.duplicate"
	CodeMissing    Code = "config.missing"
	CodeType       Code = "config.type"
	CodeValue      Code = "config.value"
	CodeName       Code = "config.name"
	CodeNumber     Code = "config.number"
	CodeDuration   Code = "config.duration"
	CodeCountry    Code = "config.country"
	CodeTimezone   Code = "config.timezone"
	CodeURL        Code = "config.url"
	CodeListen     Code = "config.listen"
	CodeSecret     Code = "config.secret"
	CodeReference  Code = "config.reference"
	CodeClub       Code = "config.club"
	CodeScript     Code = "config.script"
	CodeCron       Code = "config.cron"
	CodeJobType    Code = "config.job_type"
	CodeSchema     Code = "config.adapter_schema"

	// CodeProxies warns that the proxy in front of the daemon is not named.
	CodeProxies Code = "config.proxies"
	// CodeUnlocked warns that no lock pins the adapters.
	CodeUnlocked Code = "config.unlocked"
)

// Fault is one finding about the configuration. No text in it shows a value
// that is or could be a secret.
type Fault struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Message  string   `json:"message"`
	File     string   `json:"file"`
	// Line and Column count from 1, columns in characters; 0 where the file
	// as a whole is meant.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Hint says what to do.
	Hint string `json:"hint,omitempty"`
	// Excerpt is the line with a caret below the place, two lines of text;
	// empty where there is none to show.
	Excerpt string `json:"excerpt,omitempty"`
}

// String returns the fault as people read it, without a line break at its end.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	fmt.Fprintf(&b, ": %s[%s]: %s", f.Severity, f.Code, f.Message)
	if f.Excerpt != "" {
		b.WriteString("\n" + f.Excerpt)
	}
	if f.Hint != "" {
		b.WriteString("\n  hint: " + f.Hint)
	}
	return b.String()
}

// Faults is the error of [Load]: everything that is wrong, in the order of the
// files.
type Faults struct { //nolint:errname // it is a list of findings, and some are warnings
	List []Fault
	// Listen is where a daemon may answer that runs with an earlier configuration,
	// as far as it could be read.
	Listen Listen
}

// Error returns every fault as people read it.
func (f *Faults) Error() string {
	texts := make([]string, len(f.List))
	for i, fault := range f.List {
		texts[i] = fault.String()
	}
	return strings.Join(texts, "\n")
}

// MarshalJSON returns the faults as an array.
func (f *Faults) MarshalJSON() ([]byte, error) { return json.Marshal(f.List) }

// tidy orders findings by the order in which their files were read and by
// position, and drops a second finding of one cause at one place.
func tidy(list []Fault, files []*source) []Fault {
	order := make(map[string]int, len(files))
	for i, src := range files {
		order[src.name] = i
	}
	slices.SortStableFunc(list, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(order[a.File], order[b.File]),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
		)
	})
	return slices.CompactFunc(list, func(a, b Fault) bool { return a == b })
}
