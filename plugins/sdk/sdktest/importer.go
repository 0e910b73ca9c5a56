package sdktest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosterd/rosterd/plugins/sdk"
)

func importChecks() []check {
	return []check{
		{"import/identity", "answer from the settings alone: the same business and staff member each time", identityStable},
		{"import/one-request", "send the announcement exactly once, without a transport that repeats it, and answer sdk.OutcomeOK when the whole answer was read", oneRequest},
		{"import/refused", "answer sdk.OutcomeRefused with a code and a detail only where it is proven that no import began", importRefused},
		{"import/lost-answer", "answer sdk.OutcomeUnknown when the announcement left and no whole answer came, and do not send it again", lostAnswer},
		{"import/cancel", "send nothing when ctx is done", importCancelled},
		{"import/fault", "never answer sdk.OutcomeOK without an answer of the outside system, and do not send again", importFault},
	}
}

func identityStable(p *probe) error {
	var first sdk.ImportIdentity
	for i := range 3 {
		v, err := ability[sdk.ImportStarter](p, sdk.AbilityImportStarter)
		if err != nil {
			return err
		}
		id, err := call(p.ctx, "import identity", p.c.Patience, v.ImportIdentity)
		switch {
		case err != nil:
			return err
		case id.BusinessUID == "":
			return errors.New("the identity names no business")
		case i > 0 && id != first:
			return errors.New("two connections with the same settings have different identities")
		}
		first = id
	}
	return nil
}

// start announces one import, with the outside system in a state; it returns
// how many announcements arrived.
func (p *probe) start(ctx context.Context, state func() (restore func())) (sdk.StartImportResponse, int, error) {
	none := sdk.StartImportResponse{}
	v, err := ability[sdk.ImportStarter](p, sdk.AbilityImportStarter)
	if err != nil {
		return none, 0, err
	}
	if state != nil {
		defer state()()
	}
	before := p.c.Import.Sent()
	res, err := call(ctx, "start import", p.c.Patience, func(ctx context.Context) (sdk.StartImportResponse, error) {
		res, err := v.StartImport(ctx, p.c.Import.Request)
		if err != nil && res.Outcome == sdk.OutcomeOK {
			err = errors.New("an error and the outcome ok together")
		}
		if err != nil {
			// The contract: an error means that nothing is proven.
			res = sdk.StartImportResponse{Outcome: sdk.OutcomeUnknown, Code: sdk.AsError(err).Code, Detail: err.Error()}
		}
		return res, nil
	})
	if err != nil {
		return none, 0, err
	}
	switch res.Outcome {
	case sdk.OutcomeOK:
	case sdk.OutcomeRefused, sdk.OutcomeUnknown:
		if res.Code == "" || res.Detail == "" {
			return none, 0, fmt.Errorf("the outcome %q comes without a code or a detail for a person", res.Outcome)
		}
	default:
		return none, 0, fmt.Errorf("the outcome %q is none of the contract", res.Outcome)
	}
	if secret := p.secretIn(res.Detail); secret != "" {
		return none, 0, fmt.Errorf("the detail quotes the secret setting %s", secret)
	}
	return res, p.c.Import.Sent() - before, nil
}

// started checks an outcome and how many announcements arrived.
func (p *probe) started(ctx context.Context, state func() (restore func()), most int, right ...sdk.Outcome) error {
	res, sent, err := p.start(ctx, state)
	if err != nil {
		return err
	}
	if sent > most {
		return fmt.Errorf("%d announcements arrived for one call, where at most %d may", sent, most)
	}
	if slices.Contains(right, res.Outcome) {
		return nil
	}
	return fmt.Errorf("the outcome is %q (%s), where %q is right; %d announcements arrived", res.Outcome, res.Detail, right, sent)
}

func oneRequest(p *probe) error {
	if p.c.Import == nil {
		return leftOutError("no import is started without a fake of the outside system")
	}
	res, sent, err := p.start(p.ctx, nil)
	switch {
	case err != nil:
		return err
	case res.Outcome != sdk.OutcomeOK:
		return fmt.Errorf("an import that the outside system accepts has the outcome %q: %s", res.Outcome, res.Detail)
	case sent != 1:
		return fmt.Errorf("%d announcements arrived for one call", sent)
	}
	return nil
}

func importRefused(p *probe) error {
	if p.c.Import == nil || p.c.Import.Refuse == nil {
		return leftOutError("no import is started without a fake of the outside system that refuses it")
	}
	return p.started(p.ctx, p.c.Import.Refuse, 1, sdk.OutcomeRefused)
}

func lostAnswer(p *probe) error {
	if p.c.Import == nil || p.c.Import.Lose == nil {
		return leftOutError("no import is started without a fake of the outside system that loses its answer")
	}
	return p.started(p.ctx, p.c.Import.Lose, 1, sdk.OutcomeUnknown)
}

func importCancelled(p *probe) error {
	if p.c.Import == nil {
		return leftOutError("no import is started without a fake of the outside system")
	}
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	return p.started(ctx, nil, 0, sdk.OutcomeRefused, sdk.OutcomeUnknown)
}

func importFault(p *probe) error {
	if p.c.Import == nil || p.c.Fault == nil {
		return leftOutError("no import is started without a fake of the outside system and its Fault")
	}
	return p.started(p.ctx, p.c.Fault, 1, sdk.OutcomeRefused, sdk.OutcomeUnknown)
}
