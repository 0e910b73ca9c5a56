package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

// maxFileBytes bounds the file and the certificates.
const maxFileBytes = 256 << 10

// settings are a connection's settings. What is nil is not set.
type settings struct {
	Config       string            `json:"config"`
	BaseURL      string            `json:"base_url"`
	Token        *string           `json:"token"`
	Username     *string           `json:"username"`
	Password     *string           `json:"password"`
	ClientID     *string           `json:"client_id"`
	ClientSecret *string           `json:"client_secret"`
	Vars         map[string]string `json:"vars"`
	AllowHTTP    bool              `json:"allow_http"`
	CA           *string           `json:"ca"`
}

// errSettings quotes nothing: the decoder's own text may hold a value.
var errSettings = errors.New("the settings are not an object of config, base_url, token, username, password, client_id, client_secret and ca, " +
	"all text, allow_http, true or false, and vars, an object of texts")

// parseSettings checks what the schema says once more, because an adapter
// cannot know who starts it.
func parseSettings(raw json.RawMessage) (settings, error) {
	var s settings
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return settings{}, errSettings
	}
	switch {
	case s.Config == "":
		return settings{}, errors.New("setting config is missing: the file that says which calls the service has")
	case s.BaseURL == "":
		return settings{}, errors.New("setting base_url is missing: where every path of the file begins")
	}
	for _, o := range s.optional() {
		if o.value != nil && *o.value == "" {
			return settings{}, fmt.Errorf("setting %s is empty: set it, or leave it out", o.name)
		}
	}
	for name, text := range s.Vars {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return settings{}, errors.New("setting vars has a value with a control character")
		}
		if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(name) {
			return settings{}, errors.New("setting vars has a name that is not of small letters, digits and _")
		}
	}
	return s, nil
}

type setting struct {
	name  string
	value *string
}

// optional are the texts that may be missing.
func (s settings) optional() []setting {
	return append(s.credentials(), setting{"ca", s.CA})
}

func (s settings) credentials() []setting {
	return []setting{
		{"token", s.Token},
		{"username", s.Username},
		{"password", s.Password},
		{"client_id", s.ClientID},
		{"client_secret", s.ClientSecret},
	}
}

// auth joins what the file says of authorisation with the credentials.
func (s settings) auth(a authSpec) (httpx.Auth, error) {
	wanted := map[authWay][]string{
		authBearer: {"token"}, authHeader: {"token"},
		authBasic: {"username", "password"}, authOAuth: {"client_id", "client_secret"},
	}[a.way]
	used := map[string]bool{}
	for _, name := range wanted {
		used[name] = true
	}
	for _, c := range s.credentials() {
		switch {
		case used[c.name] && c.value == nil:
			return httpx.Auth{}, fmt.Errorf("setting %s is missing: the file says auth: %s", c.name, a.way)
		case !used[c.name] && c.value != nil:
			return httpx.Auth{}, fmt.Errorf("setting %s is not used: the file says auth: %s", c.name, a.way)
		}
	}
	switch a.way {
	case authBearer:
		return httpx.Bearer(*s.Token), nil
	case authHeader:
		return httpx.Header(a.header, *s.Token), nil
	case authBasic:
		return httpx.Basic(*s.Username, *s.Password), nil
	case authOAuth:
		a.oauth.ClientID, a.oauth.ClientSecret = *s.ClientID, *s.ClientSecret
		return httpx.ClientCredentials(a.oauth), nil
	case authNone:
	}
	return httpx.Auth{}, nil
}

// readFile reads a file of bounded size. Devices and pipes could block.
func readFile(setting, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %s: %w", setting, filepath.Base(path), reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("setting %s: %s is not a regular file", setting, filepath.Base(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %s: %w", setting, filepath.Base(path), reason(err))
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("setting %s: %s: %w", setting, filepath.Base(path), reason(err))
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("setting %s: %s is over 256 KiB", setting, filepath.Base(path))
	}
	return text, nil
}

// reason drops the path from an error of the os package.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
