package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/internal/admin"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

// jobStanding is what of a job decides about its records.
type jobStanding struct {
	job    roster.Job
	paused *roster.Pause
	// last is the latest run; its ID is empty where there was none.
	last roster.Run
}

// verdict says why a record is where it is, and what mends it: the first that holds.
func (s jobStanding) verdict(e *admin.Explanation) admin.Verdict {
	for _, look := range []func(*admin.Explanation) (admin.Verdict, bool){
		s.asksPerson, s.refused, s.pushed, s.skipped, s.pending, s.gone, s.arrived,
	} {
		if v, ok := look(e); ok {
			return v
		}
	}
	if s.job.Type == roster.JobImport && len(e.Lines) > 0 {
		return admin.Verdict{Text: "the target was served with it last: " + e.Lines[len(e.Lines)-1].Text}
	}
	if e.Known {
		return admin.Verdict{Text: "it is not linked, and nothing of it waits", Command: s.run()}
	}
	return admin.Verdict{Text: "nothing is known of it", Command: "rosterd links list " + s.job.Ref}
}

// run is the command that starts the job.
func (s jobStanding) run() string { return "rosterd job run " + s.job.Ref + " --watch" }

// sync is the command that syncs one record.
func (s jobStanding) sync(record string) string {
	return "rosterd sync " + s.job.Ref + " " + shellWord(record)
}

// asksPerson tells of a create that is not proven, or that a person has settled.
func (s jobStanding) asksPerson(e *admin.Explanation) (v admin.Verdict, ok bool) {
	for _, report := range e.Kinds {
		p := report.Pending
		switch {
		case p == nil:
			continue
		case p.State == roster.IntentParked && p.Review:
			return admin.Verdict{Text: "it waits for a person to say which record of the target it is", Command: "rosterd review show " + p.Parked}, true
		case p.State == roster.IntentParked:
			return admin.Verdict{Text: "it waits for a person: " + p.Reason, Command: "rosterd parked show " + p.Parked}, true
		case p.State == roster.IntentArmed:
			return admin.Verdict{Text: "it was sent and is not proven to be there: a run settles that", Command: s.run()}, true
		case p.State == roster.IntentDropped:
			return admin.Verdict{
				Text:    "a person decided to leave it alone until it changes in the source",
				Command: fmt.Sprintf("rosterd links set %s %s %s TARGET --reason WHY", s.job.Ref, report.Kind, shellWord(e.Record)),
			}, true
		case p.State == roster.IntentNew:
			return admin.Verdict{Text: "a person decided that it is to be created, which the next run does", Command: s.sync(e.Record)}, true
		}
	}
	return v, false
}

// refused tells of a record in the quarantine.
func (s jobStanding) refused(e *admin.Explanation) (v admin.Verdict, ok bool) {
	if len(e.Quarantined) == 0 {
		return v, false
	}
	q := slices.MaxFunc(e.Quarantined, func(a, b roster.Quarantined) int { return a.At.Compare(b.At) })
	v = admin.Verdict{Text: "it is in the quarantine: " + q.Reason, Command: "rosterd quarantine replay " + q.ID + " --watch"}
	switch q.Stage {
	case roster.StageRead:
		v.Text += "; mend it in the source, and start the job"
		v.Command = s.run()
	case roster.StageMap, roster.StageFreeze:
		v.Text += "; mend it in the source or the script, and try it again"
	case roster.StageDeliver:
		v.Text += "; it is tried again by the next run, or at once"
	}
	if s.job.Type == roster.JobImport {
		v.Command = s.run()
	}
	return v, true
}

// pushed tells of a save that the job has not read.
func (s jobStanding) pushed(e *admin.Explanation) (v admin.Verdict, ok bool) {
	if len(e.Pushed) == 0 {
		return v, false
	}
	return s.held("it was pushed, and the next run of the job sends it", s.run()), true
}

// skipped tells of a record that the script leaves out or refuses.
func (s jobStanding) skipped(e *admin.Explanation) (v admin.Verdict, ok bool) {
	for _, m := range e.Mapped {
		if m.Reason == "" {
			continue
		}
		text := m.Reason
		if m.Line > 0 {
			text += fmt.Sprintf(" (line %d)", m.Line)
		}
		if slices.ContainsFunc(e.Mapped, func(other admin.MappedRecord) bool { return other.Reason == "" }) {
			continue // it is sent as another kind
		}
		return admin.Verdict{Text: text, Command: "rosterd map show " + shellWord(s.job.Mapping)}, true
	}
	if e.Next == nil {
		return v, false
	}
	for _, reason := range e.Next.Reasons {
		if why, ok := strings.CutPrefix(reason, nextRefuses); ok {
			return admin.Verdict{Text: "the next run refuses it: " + why, Command: "rosterd map show " + shellWord(s.job.Mapping)}, true
		}
	}
	return v, false
}

// pending tells of a record that the next run would send.
func (s jobStanding) pending(e *admin.Explanation) (v admin.Verdict, ok bool) {
	if e.Next == nil || len(e.Next.Changes) == 0 {
		return v, false
	}
	change := e.Next.Changes[0]
	text := "the next run that reads it sends it"
	switch change.Op {
	case sdk.OpCreate:
		text = "the target does not have it yet; the next run that reads it creates it"
	case sdk.OpUpdate, sdk.OpTransfer:
		text = "the target has it; the next run that reads it updates " + strings.Join(change.Fields, ", ")
		if change.Target != "" && !linkedTo(e, change.Kind) {
			text = "the target has it, without a link; the next run that reads it links and updates it"
		}
	case sdk.OpConvert:
		text = "it is a member by now; the next run that reads it makes a member of the prospect at the target"
	case sdk.OpDeactivate, sdk.OpDelete:
		text = "it is gone from the source; the next run deactivates it"
	}
	return s.held(text, s.sync(e.Record)), true
}

func linkedTo(e *admin.Explanation, kind sdk.Kind) bool {
	return slices.ContainsFunc(e.Kinds, func(r admin.LinkReport) bool { return r.Kind == kind && r.Link != nil })
}

// held adds what keeps the job from running.
func (s jobStanding) held(text, command string) admin.Verdict {
	switch {
	case s.paused != nil:
		return admin.Verdict{Text: text + ", but the job is paused", Command: "rosterd job resume " + s.job.Ref}
	case s.last.State == roster.RunBlocked:
		return admin.Verdict{Text: text + ", but a guard has blocked the last run" + faultText(s.last), Command: "rosterd plan " + s.job.Ref}
	case s.last.State == roster.RunFailed:
		return admin.Verdict{Text: text + ", but the last run has failed" + faultText(s.last), Command: s.run()}
	}
	return admin.Verdict{Text: text, Command: command}
}

func faultText(run roster.Run) string {
	if run.Fault == nil {
		return ""
	}
	return ": " + run.Fault.Message
}

// gone tells of a linked record that one of the two sides does not have any more.
func (s jobStanding) gone(e *admin.Explanation) (v admin.Verdict, ok bool) {
	for _, report := range e.Kinds {
		if report.Link != nil && report.Link.Gone {
			return admin.Verdict{Text: "it is gone from the source, and the target's record was deactivated"}, true
		}
	}
	for _, t := range e.Target {
		if t.Fields == nil {
			return admin.Verdict{
				Text:    "it is linked to a record that the target does not have any more; without the link it is created anew",
				Command: fmt.Sprintf("rosterd links remove %s %s %s --reason WHY", s.job.Ref, t.Kind, shellWord(e.Record)),
			}, true
		}
	}
	if e.Next == nil || e.Next.Found || !linkedAny(e) {
		return v, false
	}
	if s.job.Sync.OnGone == "ignore" {
		return admin.Verdict{Text: "it is gone from the source, and stays at the target: the job has on_gone: ignore"}, true
	}
	return s.held("it is gone from the source; a full walk finds that, and deactivates it at the target", "rosterd job run "+s.job.Ref+" --sweep --watch"), true
}

func linkedAny(e *admin.Explanation) bool {
	return slices.ContainsFunc(e.Kinds, func(r admin.LinkReport) bool { return r.Link != nil })
}

// arrived tells of a linked record.
func (s jobStanding) arrived(e *admin.Explanation) (v admin.Verdict, ok bool) {
	for _, report := range e.Kinds {
		if report.Link == nil {
			continue
		}
		switch {
		case report.Link.Sent.Open:
			return admin.Verdict{
				Text:    "the target has it, without an owner or a lead source that has no link; it is sent when there is one",
				Command: "rosterd links list " + s.job.Ref + " --kind " + string(s.openKind(e)),
			}, true
		case e.Next == nil:
			return admin.Verdict{Text: "it is linked; whether the source has changed it since is not known: " + e.Unknown, Command: s.run()}, true
		}
		return admin.Verdict{Text: "the target has it as it would be sent: nothing needs to be done"}, true
	}
	return v, false
}

// openKind is the kind of the reference that has no link, as far as the record log
// tells.
func (s jobStanding) openKind(e *admin.Explanation) sdk.Kind {
	for _, l := range slices.Backward(e.Lines) {
		if strings.Contains(l.Text, "without its lead source") {
			return sdk.KindLeadSource
		}
	}
	return sdk.KindStaff
}

// shellWord is a text as one word of a shell's command line.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@._/:+-", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 && text[0] != '-' {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
