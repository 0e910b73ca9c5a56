package httpx

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"
)

// Auth says how requests prove who sends them. The zero value proves nothing.
// Printing one shows no secret.
type Auth struct {
	// make builds the authorizer of a client; nil for none.
	make func(*Client) (authorizer, error)
	// identity tells credentials apart, for [Quotas]. It is only hashed.
	identity func() string
}

// authorizer proves who sends a request.
type authorizer interface {
	// header returns the header to send; an empty name for none.
	header(ctx context.Context) (name, value string, err error)
	// refused is told that a request with this value was answered 401, and drops
	// it where another one can be had: it returns for how long the value was
	// sent then, and a negative time otherwise.
	refused(value string) time.Duration
	// secrets are the texts that nobody may see.
	secrets() []string
}

// ErrAuth is wrapped by the errors of [New] for credentials that cannot be sent.
var ErrAuth = errors.New("unusable credentials")

// Bearer sends a bearer token.
func Bearer(token string) Auth {
	return fixed("Authorization", "Bearer "+token, func() error { return checkToken(token) }, token)
}

// Basic sends a user name and a password (RFC 7617).
func Basic(user, password string) Auth {
	encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return fixed("Authorization", "Basic "+encoded, func() error {
		if user == "" || strings.Contains(user, ":") {
			return fmt.Errorf("%w: the user name is empty or has a colon", ErrAuth)
		}
		return nil
	}, password, encoded)
}

// Header sends a secret in a header of its own, such as X-Api-Key.
func Header(name, secret string) Auth {
	return fixed(textproto.CanonicalMIMEHeaderKey(name), secret, func() error {
		if !headerName(name) {
			return fmt.Errorf("%w: the name of the header is not one", ErrAuth)
		}
		return checkToken(secret)
	}, secret)
}

// headerName reports whether a text can name a header.
func headerName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// fixed sends the same header with each request.
func fixed(name, value string, check func() error, secrets ...string) Auth {
	return Auth{
		make: func(*Client) (authorizer, error) {
			return fixedAuth{pair: func() (string, string) { return name, value }, hidden: func() []string { return secrets }}, check()
		},
		identity: func() string { return name + "\x00" + value },
	}
}

// fixedAuth holds its texts in functions, so that printing it shows none.
type fixedAuth struct {
	pair   func() (name, value string)
	hidden func() []string
}

func (f fixedAuth) header(context.Context) (name, value string, err error) {
	name, value = f.pair()
	return name, value, nil
}

func (fixedAuth) refused(string) time.Duration { return -1 }

func (f fixedAuth) secrets() []string { return f.hidden() }

// noAuth proves nothing.
type noAuth struct{}

func (noAuth) header(context.Context) (name, value string, err error) { return "", "", nil }
func (noAuth) refused(string) time.Duration                           { return -1 }
func (noAuth) secrets() []string                                      { return nil }

// authOf returns the one way of proving that the options name.
func authOf(o Options) (Auth, error) {
	switch {
	case o.Auth.make == nil && o.Token == "":
		return Auth{identity: func() string { return "" }}, nil
	case o.Auth.make == nil:
		return Bearer(o.Token), nil
	case o.Token != "":
		return Auth{}, fmt.Errorf("%w: a token and another way to authorise", ErrAuth)
	}
	return o.Auth, nil
}

func (a Auth) authorizer(c *Client) (authorizer, error) {
	if a.make == nil {
		return noAuth{}, nil
	}
	return a.make(c)
}
