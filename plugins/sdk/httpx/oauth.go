package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// OAuth are OAuth 2.0 client credentials (RFC 6749, section 4.4).
type OAuth struct {
	// TokenURL is where tokens are issued: a path that is appended to the base
	// URL, or a whole https URL.
	TokenURL               string
	ClientID, ClientSecret string
	// Scope is sent when it is not empty; Audience likewise, for the issuers that
	// ask for one.
	Scope, Audience string
	// InBody sends id and secret as fields of the form in place of basic
	// authorisation.
	InBody bool
}

const (
	// tokenMargin is how long before its end a token is no longer sent.
	tokenMargin = 30 * time.Second
	// defaultTokenLife is assumed where the issuer names none.
	defaultTokenLife = 5 * time.Minute
	// minTokenLife keeps a token that is given for no time from being asked for
	// with each request.
	minTokenLife = 5 * time.Second
)

// ClientCredentials sends a bearer token that is issued for client credentials.
// The token is kept in memory until shortly before its end, asked for by one
// call at a time, and renewed once when a read is answered 401.
func ClientCredentials(o OAuth) Auth {
	return Auth{
		make: func(c *Client) (authorizer, error) {
			target, err := tokenURL(c, o.TokenURL)
			if err != nil {
				return nil, err
			}
			if o.ClientID == "" || o.ClientSecret == "" {
				return nil, fmt.Errorf("%w: a client id and a client secret are needed", ErrAuth)
			}
			return &issued{client: c, url: target, form: func() OAuth { return o }, turn: make(chan struct{}, 1)}, nil
		},
		identity: func() string {
			return strings.Join([]string{"oauth", o.TokenURL, o.ClientID, o.ClientSecret, o.Scope, o.Audience}, "\x00")
		},
	}
}

func tokenURL(c *Client, raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, fmt.Errorf("%w: the URL of the token is missing", ErrBaseURL)
	case strings.HasPrefix(raw, "/"):
		return c.base.JoinPath(raw), nil
	}
	return parseBase(raw, c.allowHTTP && c.base.Scheme == "http")
}

// issued is a token with its end. It serves concurrent calls.
type issued struct {
	client *Client
	url    *url.URL
	form   func() OAuth
	// turn holds a place for the one call that may look at the token.
	turn chan struct{}
	// token is what was issued last, with its beginning and end, guarded by turn.
	token      string
	since, end time.Time
}

// locked calls f in turn, unless ctx ends first.
func (i *issued) locked(ctx context.Context, f func() error) error {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (i *issued) header(ctx context.Context) (name, value string, err error) {
	err = i.locked(ctx, func() error {
		if i.token == "" || !i.client.now().Before(i.end) {
			if err := i.issue(ctx); err != nil {
				return err
			}
		}
		value = "Bearer " + i.token
		return nil
	})
	return "Authorization", value, err
}

func (i *issued) refused(value string) time.Duration {
	age := tokenMargin                                // of one that was replaced meanwhile
	_ = i.locked(context.Background(), func() error { // nobody holds the turn for longer than one time-out
		if "Bearer "+i.token == value {
			i.token = ""
			age = max(0, i.client.now().Sub(i.since))
		}
		return nil
	})
	return age
}

func (i *issued) secrets() []string {
	o := i.form()
	hidden := []string{o.ClientSecret}
	// An error is never worth waiting for the issuer.
	select {
	case i.turn <- struct{}{}:
		hidden = append(hidden, i.token)
		<-i.turn
	default:
	}
	return hidden
}

// issue asks for a token. Repeating that changes nothing, so that the caller's
// own tries repeat it.
func (i *issued) issue(ctx context.Context) error {
	req, err := i.request(ctx)
	if err != nil {
		return err
	}
	resp, err := i.client.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return sdk.Retry(0, errors.New("the issuer of tokens cannot be reached"))
	}
	defer func() { _ = resp.Body.Close() }() // the body is read or given up
	a, err := i.client.read(resp)
	switch {
	case err != nil:
		return sdk.Retry(0, errors.New("the issuer's answer broke off or is too large"))
	case a.Status == http.StatusTooManyRequests || a.Status >= http.StatusInternalServerError:
		return sdk.Retry(a.RetryAfter, fmt.Errorf("the issuer of tokens answered %d", a.Status))
	case !a.OK():
		return sdk.Fail(sdk.CodeAuth, fmt.Errorf("the issuer of tokens answered %d: check client_id, client_secret and the token's address", a.Status))
	}
	return i.take(a.Body)
}

func (i *issued) request(ctx context.Context) (*http.Request, error) {
	o := i.form()
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, value := range map[string]string{"scope": o.Scope, "audience": o.Audience} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if o.InBody {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", o.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, errors.New("the address of the issuer of tokens cannot be used"))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if i.client.userAgent != "" {
		req.Header.Set("User-Agent", i.client.userAgent)
	}
	if !o.InBody {
		req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
	}
	return req, nil
}

// take reads what was issued (RFC 6749, section 5.1).
func (i *issued) take(body []byte) error {
	var t struct {
		AccessToken string      `json:"access_token"`
		TokenType   string      `json:"token_type"`
		ExpiresIn   json.Number `json:"expires_in"`
	}
	if json.Unmarshal(body, &t) != nil || t.AccessToken == "" || checkToken(t.AccessToken) != nil ||
		t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer") {
		return sdk.Fail(sdk.CodeAuth, errors.New("the issuer's answer holds no bearer token"))
	}
	life := defaultTokenLife
	if seconds, err := t.ExpiresIn.Float64(); err == nil && seconds > 0 {
		life = time.Duration(min(seconds, (24*time.Hour).Seconds()) * float64(time.Second))
	}
	i.since = i.client.now()
	i.token, i.end = t.AccessToken, i.since.Add(max(minTokenLife, life-min(tokenMargin, life/4)))
	return nil
}
