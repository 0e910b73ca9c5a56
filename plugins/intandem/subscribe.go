package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

const (
	subscribePath = "/platform/v1/webhook/subscribe"
	// doneEvent is told of each page of an import (the vendor's reference,
	// "client_import").
	doneEvent = "bulk_import/done"
	// existsWords is how inTandem refuses a subscription that is there already.
	existsWords = "already exists"
)

// SubscribeOutcomes implements [sdk.OutcomeSubscriber]. The vendor wants a token
// of the app whose imports are told of. Its words are not passed on: they may
// repeat the target URL, which holds a secret.
func (c *connection) SubscribeOutcomes(ctx context.Context, req sdk.SubscribeOutcomesRequest) error {
	if c.hooks == nil {
		return sdk.Fail(sdk.CodeConfig, errors.New("subscribe to "+doneEvent+": setting app_token is missing"))
	}
	body, err := json.Marshal(map[string]string{"event": doneEvent, "target_url": req.TargetURL})
	if err != nil {
		return fmt.Errorf("subscribe to "+doneEvent+": %w", err)
	}
	sent := c.hooks.SendOnce(ctx, http.MethodPost, subscribePath, body)
	if sent.Outcome == sdk.OutcomeOK {
		return nil
	}
	if sent.Status == 0 {
		return sdk.Retry(0, fmt.Errorf("subscribe to "+doneEvent+": %w", sent.Err))
	}
	if sent.Status == http.StatusUnprocessableEntity && strings.Contains(c.parse(sent.Answer).words, existsWords) {
		return nil
	}
	return subscribeError(sent.Status)
}

// subscribeError says what a refusal means and what to do.
func subscribeError(status int) error {
	code, advice := sdk.CodeConfig, "check api_url and that public_url is reachable from outside"
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		code, advice = sdk.CodeAuth, "app_token has to be a token of the app itself, not of a staff member"
	case status == http.StatusInternalServerError:
		advice = "inTandem does not know the event for this app: the app must have the app type import_clients"
	case status == http.StatusTooManyRequests || status > http.StatusInternalServerError:
		return sdk.Retry(0, fmt.Errorf("subscribe to "+doneEvent+": inTandem answered %d", status))
	}
	return sdk.Fail(code, fmt.Errorf("subscribe to "+doneEvent+": inTandem answered %d; %s", status, advice))
}
