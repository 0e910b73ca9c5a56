package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/schedule"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func byRef(a, b roster.Job) int { return strings.Compare(a.Ref, b.Ref) }

func (l *loader) readJob(account roster.Account, key string, v value) roster.Job {
	job := roster.Job{
		Ref: account.ID + "/" + key, Account: account.ID, Type: roster.JobType(v.get("type").textOr("")),
		From: l.connection(account, v.get("from")), To: l.connection(account, v.get("to")),
		Mapping: l.script(v.get("mapping")), Location: location(account.Timezone),
	}
	job.Read = roster.ReadMode(v.get("read").textOr(string(defaultRead(job.Type))))
	job.Schedule = l.schedule(v.get("schedule"), job.Location)
	job.Timing = l.timing(v)
	job.Kinds = l.kinds(v.get("kinds"), job.Type)
	l.checkEnds(account, v, job)
	switch job.Type {
	case roster.JobImport:
		l.refuse(v, job.Type, "sweep", "owner", "lead_sources", "guards", "on_match", "on_missing", "on_gone", "fields", "match", "conflict", "modified")
		job.Override = v.get("override").boolOr(false)
		job.Upload = v.get("upload").textOr("single")
		job.Notify = v.get("notify").boolOr(true)
	case roster.JobSync:
		l.refuse(v, job.Type, "override", "upload", "notify")
		job.Sync = l.readSync(v, job.Location)
	}
	l.checkInbound(account, v, &job)
	return job
}

// defaultRead is everything for an import, whose target tells clients apart,
// and what has changed for a sync, which has links.
func defaultRead(t roster.JobType) roster.ReadMode {
	if t == roster.JobSync {
		return roster.ReadChanges
	}
	return roster.ReadAll
}

// location returns a zone that was checked before.
func location(name string) *time.Location {
	if loc, err := time.LoadLocation(name); err == nil {
		return loc
	}
	return time.UTC
}

func (l *loader) connection(account roster.Account, v value) string {
	name, ok := v.text()
	if !ok {
		return ""
	}
	if _, ok := account.Connections[name]; !ok {
		l.fault(v, CodeReference, quote(name)+" is no connection of account "+quote(account.ID), hintOf(name, account.Connections, "the connections are"))
		return ""
	}
	return account.ID + "/" + name
}

// checkEnds checks what a job asks of its connections.
func (l *loader) checkEnds(account roster.Account, v value, job roster.Job) {
	if job.From == "" {
		return
	}
	if job.From == job.To {
		l.fault(v.get("to"), CodeReference, "the job reads from and delivers to the same connection", "name two connections")
	}
	from := account.Connections[v.get("from").textOr("")]
	if len(account.Clubs) > 1 && len(from.Clubs) == 0 {
		l.fault(v.get("from"), CodeClub, "connection "+job.From+" has no ids of clubs, and the account has several: its records could belong to any",
			"add  clubs: {"+firstKey(account.Clubs)+": ID, ...}  to the connection")
	}
}

func firstKey[V any](m map[string]V) string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return slices.Min(keys)
}

// script finds a mapping. It stays inside scripts_dir, the one folder from
// which scripts are taken.
func (l *loader) script(v value) string {
	name, ok := v.text()
	if !ok || name == "" {
		return ""
	}
	path := filepath.Join(l.cfg.ScriptsDir, name)
	if !filepath.IsLocal(name) {
		l.fault(v, CodeScript, quote(name)+" is outside of scripts_dir", "write a path below "+l.cfg.ScriptsDir)
		return path
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		severity := SeverityError
		if l.opts.SkipScripts && errors.Is(err, fs.ErrNotExist) {
			severity = SeverityWarning
		}
		l.find(severity, v, CodeScript, "script "+path+" cannot be read: "+reason(err), scriptHint(path))
	}
	return path
}

func scriptHint(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "create the script, or correct scripts_dir"
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if meant, ok := closest(filepath.Base(path), names); ok {
		return "did you mean " + quote(meant) + "?"
	}
	return "create the script, or name one that is there"
}

// schedule checks a schedule and returns its text, "manual" where there is
// none.
func (l *loader) schedule(v value, loc *time.Location) string {
	text, ok := v.text()
	if !ok {
		return "manual"
	}
	_, err := schedule.Parse(text, loc)
	if fault, ok := errors.AsType[*schedule.Error](err); ok {
		l.fault(v, CodeCron, quote(text)+" "+fault.Problem, fault.Hint)
	}
	return strings.TrimSpace(text)
}

// kinds returns the kinds in the order in which a run handles them.
func (l *loader) kinds(v value, jobType roster.JobType) []sdk.Kind {
	named := map[sdk.Kind]bool{}
	for _, at := range v.items() {
		kind := sdk.Kind(at.textOr(""))
		named[kind] = true
		if jobType == roster.JobImport && (kind == sdk.KindStaff || kind == sdk.KindLeadSource) {
			l.fault(at, CodeJobType, "an import carries people only, not "+string(kind), "write kinds: [prospect, member], or one of them")
		}
	}
	switch {
	case len(named) == 0 && jobType == roster.JobImport:
		return []sdk.Kind{sdk.KindMember}
	case len(named) == 0:
		return sdk.Kinds()
	}
	return slices.DeleteFunc(sdk.Kinds(), func(k sdk.Kind) bool { return !named[k] })
}

// refuse reports keys that the other type of job has.
func (l *loader) refuse(v value, jobType roster.JobType, keys ...string) {
	for _, key := range keys {
		if entry := v.get(key); entry.node != nil {
			l.fault(value{src: entry.src, node: entry.key}, CodeJobType, quote(key)+" has no meaning for a job of type "+string(jobType), "remove it")
		}
	}
}

func (l *loader) readSync(v value, loc *time.Location) roster.SyncOptions {
	guards := v.get("guards")
	options := roster.SyncOptions{
		Owner: v.get("owner").textOr("optional"), LeadSources: v.get("lead_sources").textOr("create"),
		OnMatch: v.get("on_match").textOr("update") == "update", OnMissing: v.get("on_missing").textOr("create") == "create",
		OnGone: v.get("on_gone").textOr("deactivate"), Policies: map[string]roster.FieldPolicy{},
		Conflict: v.get("conflict").textOr("from"), Modified: v.get("modified").textOr(""),
		Guards: roster.Guards{
			MaxCreate:        limit(guards.get("max_create"), roster.Limit{Count: 500}),
			MaxUpdate:        limit(guards.get("max_update"), roster.Limit{Percent: 20, Relative: true}),
			MaxDeactivate:    limit(guards.get("max_deactivate"), roster.Limit{Percent: 5, Relative: true}),
			BlankField:       limit(guards.get("blank_field"), roster.Limit{Percent: 10, Relative: true}),
			BlockEmptySource: guards.get("empty_source").textOr("block") == "block",
		},
	}
	for _, rule := range v.get("match").items() {
		options.Match = append(options.Match, rule.textOr(""))
	}
	for name, policy := range v.get("fields").entries() {
		if p := roster.FieldPolicy(policy.textOr("")); p != roster.PolicyOverwrite {
			options.Policies[name] = p
		}
	}
	if options.Conflict == "newest" && options.Modified == "" {
		l.fault(v.get("conflict"), CodeReference, "conflict: newest needs to know when a record was changed", "add  modified: FIELD  with the name of that field")
	}
	if sweep := v.get("sweep"); sweep.node != nil {
		options.Sweep = l.schedule(sweep, loc)
	}
	return options
}

// limit reads a number or a share, whose form the shape has checked.
func limit(v value, otherwise roster.Limit) roster.Limit {
	text, ok := v.text()
	if !ok {
		return otherwise
	}
	if share, ok := strings.CutSuffix(text, "%"); ok {
		if percent, err := strconv.ParseFloat(share, 64); err == nil && v.is(yaml.ScalarNode) {
			return roster.Limit{Percent: percent, Relative: true}
		}
		return otherwise
	}
	return roster.Limit{Count: v.intOr(otherwise.Count)}
}
