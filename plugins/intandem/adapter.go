package main

import (
	"bytes"
	"context"
	_ "embed" // the settings' schema is a file, so that editors check it
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

//go:embed settings.schema.json
var settingsSchema []byte

const (
	version       = "0.1.0"
	defaultAPIURL = "https://api.vcita.biz"
	// requestsPerSecond stays under the 8 a second of the vendor's throttling
	// tier, which other programs of the business share.
	requestsPerSecond = 5
	requestTimeout    = 30 * time.Second
)

func adapter() sdk.Adapter {
	return sdk.Adapter{
		Name:        "intandem",
		Version:     version,
		Description: "Imports clients into inTandem (vcita) as a Client Import app.",
		Settings:    settingsSchema,
		Opener:      sdk.Open(open),
	}
}

type settings struct {
	BusinessUID string `json:"business_uid"`
	AppCodeName string `json:"app_code_name"`
	Token       string `json:"token"`
	// AppToken is nil where it is not set.
	AppToken *string `json:"app_token"`
	StaffUID string  `json:"staff_uid"`
	APIURL   string  `json:"api_url"`
	// CustomFields says by what a custom field goes: [byLabel] or [byID].
	CustomFields string  `json:"custom_fields"`
	Matters      matters `json:"matters"`
}

// matters is the form of clients with several matters, which the vendor does
// not document.
type matters struct {
	Key      string `json:"key"`
	Name     string `json:"name"`
	Declared bool   `json:"declared"`
}

// What a custom field goes by. The vendor's webhooks name custom values by
// label, its matters API by id; for imports the guide breaks off before it says.
const (
	byLabel = "label"
	byID    = "id"
)

// connection is one business at inTandem.
type connection struct {
	business, staff, app string
	customFields         string
	matters              matters
	http                 *httpx.Client
	// hooks subscribes to events; nil without an app token.
	hooks *httpx.Client
}

// The abilities of a connection.
var (
	_ sdk.ImportStarter     = (*connection)(nil)
	_ sdk.OutcomeSubscriber = (*connection)(nil)
	_ sdk.FieldLister       = (*connection)(nil)
	_ sdk.Checker           = (*connection)(nil)
	_ sdk.Limited           = (*connection)(nil)
	_ io.Closer             = (*connection)(nil)
)

func open(_ context.Context, c sdk.Connection) (*connection, error) {
	s, err := parseSettings(c.Settings)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, err)
	}
	client, err := newClient(s.APIURL, "token", s.Token)
	if err != nil {
		return nil, err
	}
	opened := &connection{
		business: s.BusinessUID, staff: s.StaffUID, app: s.AppCodeName, http: client,
		customFields: s.CustomFields, matters: s.Matters,
	}
	if s.AppToken != nil {
		if opened.hooks, err = newClient(s.APIURL, "app_token", *s.AppToken); err != nil {
			return nil, err
		}
	}
	return opened, nil
}

// newClient makes a client that uses the token in the named setting.
func newClient(url, setting, token string) (*httpx.Client, error) {
	client, err := httpx.New(httpx.Options{
		BaseURL: url, Token: token, UserAgent: "rosterd-intandem/" + version,
		Timeout: requestTimeout, Rate: requestsPerSecond,
	})
	switch {
	case errors.Is(err, httpx.ErrToken):
		return nil, sdk.Fail(sdk.CodeConfig, fmt.Errorf("setting %s: %w", setting, err))
	case err != nil:
		return nil, sdk.Fail(sdk.CodeConfig, fmt.Errorf("setting api_url: %w", err))
	}
	return client, nil
}

// parseSettings checks what the schema says once more, because an adapter
// cannot know who starts it.
func parseSettings(raw json.RawMessage) (settings, error) {
	s := settings{APIURL: defaultAPIURL, CustomFields: byLabel}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		// The decoder's own text may quote a value.
		return settings{}, errors.New("the settings are not an object of business_uid, app_code_name, token, app_token, staff_uid, api_url and " +
			"custom_fields, all text, and matters, an object of key, name and declared")
	}
	switch {
	case s.BusinessUID == "":
		return settings{}, errors.New("setting business_uid is missing: the business whose clients are imported")
	case s.Token == "":
		return settings{}, errors.New("setting token is missing: a staff or app token of the business")
	case s.AppToken != nil && *s.AppToken == "":
		return settings{}, errors.New("setting app_token is empty: set a token of the app, or leave it out")
	case s.AppCodeName == "":
		return settings{}, errors.New("setting app_code_name is missing: the code name of the Client Import app")
	case !regexp.MustCompile(`^[a-zA-Z0-9]+$`).MatchString(s.AppCodeName):
		return settings{}, errors.New("setting app_code_name has other characters than letters and digits")
	case s.CustomFields != byLabel && s.CustomFields != byID:
		return settings{}, errors.New("setting custom_fields is neither label nor id")
	case reserved(s.Matters.Key):
		return settings{}, errors.New("setting matters.key is the key of a field that every client has; choose another, or leave it out")
	}
	if s.APIURL == "" {
		s.APIURL = defaultAPIURL
	}
	return s, nil
}

// reserved reports whether a client has the key for something else than its
// matters.
func reserved(key string) bool {
	return key == "external_id" || slices.ContainsFunc(systemFields(), func(s systemField) bool { return s.key == key })
}

// ImportIdentity implements [sdk.ImportStarter].
func (c *connection) ImportIdentity(context.Context) (sdk.ImportIdentity, error) {
	return sdk.ImportIdentity{BusinessUID: c.business, StaffUID: c.staff, Matters: sdk.MatterForm(c.matters)}, nil
}

// Abilities implements [sdk.Limited]: without an app token there is nothing to
// subscribe with.
func (c *connection) Abilities() []sdk.Ability {
	has := []sdk.Ability{sdk.AbilityImportStarter, sdk.AbilityFieldLister, sdk.AbilityChecker}
	if c.hooks != nil {
		has = append(has, sdk.AbilityOutcomeSubscriber)
	}
	return has
}

// Close closes idle connections to the API.
func (c *connection) Close() error {
	c.http.Close()
	if c.hooks != nil {
		c.hooks.Close()
	}
	return nil
}
