package main

import (
	"context"
	_ "embed" // the settings' schema is a file, so that editors check it
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/httpx"
)

//go:embed settings.schema.json
var settingsSchema []byte

const (
	version        = "0.1.0"
	requestTimeout = 30 * time.Second
)

// adapter describes the program.
func adapter() sdk.Adapter {
	var kinds []sdk.KindInfo
	for _, k := range sdk.Kinds() {
		kinds = append(kinds, sdk.KindInfo{Kind: k, Cursor: sdk.CursorInclusive})
	}
	// All connections of the program count together what a credential sends.
	o := opener{quotas: &httpx.Quotas{}, now: time.Now}
	return sdk.Adapter{
		Name:        "rest",
		Version:     version,
		Description: "Reads from and writes to a service that speaks HTTP and JSON, described by a file.",
		Settings:    settingsSchema,
		Kinds:       kinds,
		Opener:      sdk.Open(o.open),
	}
}

// opener is what the connections of the program share.
type opener struct {
	quotas *httpx.Quotas
	now    func() time.Time
}

// connection is one service.
type connection struct {
	spec *spec
	http *httpx.Client
	base *url.URL
	log  *slog.Logger
	now  func() time.Time
	// clubs are the ids of the clubs, in order.
	clubs []string
	// texts are the placeholders of every call.
	texts map[string]string
}

var (
	_ sdk.Source           = (*connection)(nil)
	_ sdk.Target           = (*connection)(nil)
	_ sdk.Finder           = (*connection)(nil)
	_ sdk.Getter           = (*connection)(nil)
	_ sdk.StaffLister      = (*connection)(nil)
	_ sdk.StaffFinder      = (*connection)(nil)
	_ sdk.LeadSourceLister = (*connection)(nil)
	_ sdk.FieldLister      = (*connection)(nil)
	_ sdk.QuotaTeller      = (*connection)(nil)
	_ sdk.ClubLister       = (*connection)(nil)
	_ sdk.Checker          = (*connection)(nil)
	_ sdk.Limited          = (*connection)(nil)
	_ io.Closer            = (*connection)(nil)
)

func (o opener) open(_ context.Context, c sdk.Connection) (*connection, error) {
	opened, err := o.connection(c)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, err)
	}
	return opened, nil
}

func (o opener) connection(c sdk.Connection) (*connection, error) {
	if strings.ContainsFunc(c.ClientID, unicode.IsControl) {
		return nil, errors.New("the connection's client_id has a control character")
	}
	s, err := parseSettings(c.Settings)
	if err != nil {
		return nil, err
	}
	text, err := readFile("config", s.Config)
	if err != nil {
		return nil, err
	}
	spec, err := parseSpec(filepath.Base(s.Config), text, s.Vars, len(c.Clubs) > 0)
	if err != nil {
		return nil, err
	}
	opened := &connection{
		spec: spec, log: c.Logger, now: o.now,
		clubs: slices.Compact(slices.Sorted(maps.Values(c.Clubs))), texts: map[string]string{"client": c.ClientID},
	}
	if opened.log == nil {
		opened.log = slog.New(slog.DiscardHandler)
	}
	for name, v := range s.Vars {
		opened.texts[varsPrefix+name] = v
	}
	if opened.http, err = o.client(s, spec, opened.texts); err != nil {
		return nil, err
	}
	// The client has checked it.
	if opened.base, err = url.Parse(s.BaseURL); err != nil {
		return nil, errors.New("setting base_url is not a URL")
	}
	return opened, nil
}

func (o opener) client(s settings, spec *spec, texts map[string]string) (*httpx.Client, error) {
	auth, err := s.auth(spec.auth)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, h := range spec.headers {
		if text, ok := h.value.text(scope{texts: texts}); ok {
			header.Set(h.name, text)
		}
	}
	var ca []byte
	if s.CA != nil {
		if ca, err = readFile("ca", *s.CA); err != nil {
			return nil, err
		}
	}
	client, err := httpx.New(httpx.Options{
		BaseURL: s.BaseURL, AllowHTTP: s.AllowHTTP, CA: ca, Auth: auth, Header: header,
		UserAgent: "rosterd-rest/" + version, Timeout: requestTimeout, Now: o.now,
		Limits: spec.limits, Quotas: o.quotas,
	})
	switch {
	case errors.Is(err, httpx.ErrCA):
		return nil, fmt.Errorf("setting ca: %w", err)
	case errors.Is(err, httpx.ErrToken):
		return nil, fmt.Errorf("setting token: %w", err)
	case errors.Is(err, httpx.ErrAuth):
		return nil, fmt.Errorf("the credentials: %w", err)
	case err != nil:
		return nil, fmt.Errorf("setting base_url, or the file's token_url: %w", err)
	}
	return client, nil
}

// Abilities implements [sdk.Limited]: they follow from the calls of the file.
func (c *connection) Abilities() []sdk.Ability {
	var all []sdk.Ability
	if c.checks() != nil {
		all = append(all, sdk.AbilityChecker)
	}
	if len(c.http.Quotas()) > 0 {
		all = append(all, sdk.AbilityQuotaTeller)
	}
	if c.spec.clubs != nil {
		all = append(all, sdk.AbilityClubLister)
	}
	for name, k := range c.spec.kinds {
		all = append(all, k.abilities(name)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// abilities are those that the calls of one kind make.
func (k *kind) abilities(name sdk.Kind) []sdk.Ability {
	var all []sdk.Ability
	add := func(ok bool, a sdk.Ability) {
		if ok {
			all = append(all, a)
		}
	}
	staff, source := name == sdk.KindStaff, name == sdk.KindLeadSource
	add(k.list != nil, sdk.AbilitySource)
	add(len(k.writes) > 0, sdk.AbilityTarget)
	add(k.find != nil || k.findBy != nil && len(k.writes) > 0, sdk.AbilityFinder)
	add(k.custom != nil, sdk.AbilityFieldLister)
	add(k.get != nil, sdk.AbilityGetter)
	add(staff && k.list != nil && k.email != nil, sdk.AbilityStaffLister)
	add(staff && k.findBy != nil && k.email != nil && slices.Contains(k.findBy.wanted(), "email"), sdk.AbilityStaffFinder)
	add(source && k.list != nil && k.name != nil, sdk.AbilityLeadSourceLister)
	return all
}

// Quotas implements [sdk.QuotaTeller]: what the file's limits leave, counted for all
// that use the credentials.
func (c *connection) Quotas(ctx context.Context) ([]sdk.Quota, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.http.Quotas(), nil
}

// Close closes idle connections.
func (c *connection) Close() error {
	c.http.Close()
	return nil
}

// scope is what placeholders stand for in a call, with further ones.
func (c *connection) scope(texts map[string]string, data map[string]any) scope {
	all := maps.Clone(c.texts)
	maps.Copy(all, texts)
	return scope{texts: all, data: data}
}
