package pipeline

import "github.com/rosterd/rosterd/internal/roster"

// judgement is what the guards say of a whole change set.
type judgement struct {
	state    roster.RunState
	fault    *roster.Fault
	warnings []string
}

// judge decides whether a prepared run may deliver. Nothing was written
// anywhere so far, so a run that ends here has changed nothing.
func judge(p *preparation) judgement {
	switch c := p.counts; {
	case c.Read == 0:
		return judgement{state: roster.RunBlocked, fault: &roster.Fault{
			Code:    "guard.empty_source",
			Message: "the source has no records, so nothing was announced",
			Hint:    "check that the source connection reads the right place",
		}}
	case c.Frozen == 0 && c.Quarantined > 0:
		return judgement{state: roster.RunBlocked, fault: &roster.Fault{
			Code:    "guard.nothing_frozen",
			Message: "every record was skipped or quarantined, so nothing was announced",
			Hint:    "see the reasons with `rosterd quarantine list --job " + p.run.Job + "`",
		}}
	case c.Frozen == 0:
		return judgement{state: roster.RunOK, warnings: []string{"the script skipped every record, so nothing was announced"}}
	}
	return judgement{state: roster.RunDelivering}
}

// endState is the state of a run whose delivery is over. A run that left a
// record behind is never ok.
func endState(c roster.Counts) roster.RunState {
	if c.Quarantined > 0 || c.Unserved > 0 {
		return roster.RunPartial
	}
	return roster.RunOK
}

func endFault(c roster.Counts) *roster.Fault {
	if c.Unserved == 0 {
		return nil
	}
	return &roster.Fault{
		Code:    "export.unserved",
		Message: "the import ended before every client was asked for",
		Hint:    "`rosterd session list` shows which were not served; run the job again to send them",
	}
}
