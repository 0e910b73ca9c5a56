package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// explain turns a refusal into its code and into words that say what to do.
// The words of the vendor choose only the advice.
func (c *connection) explain(status int, r reply) (sdk.Code, string) {
	words := said(r.words, http.StatusText(status))
	switch status {
	case http.StatusUnauthorized:
		return sdk.CodeAuth, words + ". " + adviceOn401(r)
	case http.StatusForbidden:
		return sdk.CodeAuth, words + ". The token may not do this: use a staff or app token of the business"
	case http.StatusTooManyRequests:
		return sdk.CodeUnavailable, words + ". Nothing has begun; run the job again in a few minutes"
	case http.StatusUnprocessableEntity:
		if strings.EqualFold(r.error, "Unauthorized") {
			return sdk.CodeAuth, words + ". The token does not belong to this business: check token and business_uid"
		}
		return sdk.CodeConfig, words + ". " + c.adviceOn422(r)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return sdk.CodeConfig, words + ". There is no such address: check api_url and app_code_name"
	}
	return sdk.CodeConfig, words + ". The request is not understood: check api_url"
}

// adviceOn401 tells the three kinds of 401 apart by where "Unauthorized"
// stands.
func adviceOn401(r reply) string {
	switch {
	case strings.Contains(r.words, "401 Unauthorized"):
		return "The token is not valid: it is mistyped, expired or revoked; set a fresh one"
	case strings.EqualFold(r.first, "Unauthorized"):
		return "The token is valid, but of the wrong type or of another business: use a staff or app token of the business in business_uid"
	case strings.EqualFold(r.error, "Unauthorized"):
		return "The token belongs to another directory than the business: use a token of the business's own directory"
	}
	return "The token is refused: check that it is current and belongs to the business"
}

func (c *connection) adviceOn422(r reply) string {
	switch {
	case strings.Contains(r.words, "not installed"):
		return fmt.Sprintf("Install the app %s for business %s at inTandem, or correct app_code_name, then run the job again", c.app, c.business)
	case strings.Contains(r.words, "import_clients"):
		return fmt.Sprintf("The app %s must have the app type import_clients: change it at inTandem, or correct app_code_name", c.app)
	}
	return "Correct what inTandem names, then run the job again"
}
