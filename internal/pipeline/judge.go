package pipeline

import (
	"context"
	"fmt"

	"github.com/rosterd/rosterd/internal/roster"
)

// judgement is what the guards say of a whole change set.
type judgement struct {
	state    roster.RunState
	fault    *roster.Fault
	warnings []string
}

// judge decides whether a prepared run may deliver. Nothing was written
// anywhere so far, so a run that ends here has changed nothing.
func judge(ctx context.Context, p *preparation) (judgement, error) {
	if p.flow.Sync != nil {
		return judgeSync(ctx, p)
	}
	return judgeImport(p), nil
}

func judgeImport(p *preparation) judgement {
	switch c := p.counts; {
	case c.Read == 0 && p.flow.Changes:
		return judgement{state: roster.RunOK}
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

// Settle makes the state and the fault of a run that was delivered to its end
// from its counts; another run is left as it is. It is called when the run ends
// and again whenever the target tells what became of the clients, so that a run
// that was ok becomes partial when a client turns out to have failed. A run that
// left a record behind is never ok.
func Settle(run *roster.Run) {
	if run.State != roster.RunOK && run.State != roster.RunPartial {
		return
	}
	failed := 0
	if run.Counts.Failed != nil {
		failed = *run.Counts.Failed
	}
	run.State, run.Fault = roster.RunOK, nil
	switch {
	case run.Counts.Unserved > 0:
		run.State, run.Fault = roster.RunPartial, &roster.Fault{
			Code:    "export.unserved",
			Message: "the import ended before every client was asked for",
			Hint:    "`rosterd session list` shows which were not served; run the job again to send them",
		}
	case failed > 0:
		run.State, run.Fault = roster.RunPartial, &roster.Fault{
			Code:    roster.CodeDeliverFailed,
			Message: fmt.Sprintf("the target could not import %d of the clients", failed),
			Hint:    "`rosterd quarantine list --run " + run.ID + " --code " + roster.CodeDeliverFailed + "` names them",
		}
	case run.Counts.Quarantined > 0 || run.Counts.Waiting > 0 || run.Counts.Remaining > 0:
		run.State = roster.RunPartial
	}
}
