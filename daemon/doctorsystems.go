package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/internal/adapters"
	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/plugins/sdk"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// addresses are the web addresses that the configuration names, by what they are.
func (d *doctor) addresses() map[string]*url.URL {
	found := map[string]*url.URL{}
	add := func(name, text string) {
		u, err := url.Parse(text)
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" {
			found[name] = u
		}
	}
	add("public_url", d.cfg.PublicURL)
	for _, account := range d.cfg.Accounts {
		for _, conn := range account.Connections {
			for key, text := range texts(conn.Settings) {
				add(conn.Ref+" "+key, text)
			}
		}
	}
	return found
}

// texts are the topmost settings that are texts.
func texts(settings roster.Secret) map[string]string {
	var all map[string]any
	if json.Unmarshal([]byte(settings.Reveal()), &all) != nil {
		return nil
	}
	found := map[string]string{}
	for key, value := range all {
		if text, ok := value.(string); ok {
			found[key] = text
		}
	}
	return found
}

// dialTime bounds one attempt to reach a system.
const dialTime = 10 * time.Second

func (d *doctor) dns(ctx context.Context) {
	addresses := d.addresses()
	if len(addresses) == 0 {
		d.say(checkSkip, "", "the configuration names no web address")
	}
	for _, name := range sortedKeys(addresses) {
		host := addresses[name].Hostname()
		limited, done := context.WithTimeout(ctx, dialTime)
		found, err := net.DefaultResolver.LookupHost(limited, host)
		done()
		if err != nil {
			d.say(checkFail, "correct the address, or the machine's name servers", "%s: %s has no address: %s", name, host, dnsReason(err))
			continue
		}
		d.say(checkOK, "", "%s: %s is %s", name, host, found[0])
	}
}

func dnsReason(err error) string {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.Err
	}
	return err.Error()
}

// How long a certificate has to be valid.
const (
	certificateSoon = 21 * 24 * time.Hour
	certificateLate = 3 * 24 * time.Hour
)

func (d *doctor) tls(ctx context.Context) {
	looked := false
	if files := d.cfg.Listen.TLS; files.Cert != "" {
		looked = true
		if pair, err := tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
			d.say(checkFail, "put a certificate and its key there", "listen.tls: %v", err)
		} else if pair.Leaf != nil {
			d.expiry("listen.tls", pair.Leaf.NotAfter)
		}
	}
	addresses := d.addresses()
	for _, name := range sortedKeys(addresses) {
		u := addresses[name]
		if u.Scheme != "https" {
			continue
		}
		looked = true
		dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTime}, Config: &tls.Config{MinVersion: tls.VersionTLS12}}
		port := u.Port()
		if port == "" {
			port = "443"
		}
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			d.say(checkFail, "see that the system runs, and that its certificate is for this name and from a known authority", "%s: %v", name, err)
			continue
		}
		if secure, ok := conn.(*tls.Conn); ok {
			d.expiry(name, secure.ConnectionState().PeerCertificates[0].NotAfter)
		}
		_ = conn.Close() // it was only looked at
	}
	if !looked {
		d.say(checkSkip, "", "nothing is reached over TLS from here")
	}
}

func (d *doctor) expiry(name string, end time.Time) {
	left := end.Sub(d.now)
	days := int(left.Hours() / 24)
	switch {
	case left < certificateLate:
		d.say(checkFail, "renew it", "%s: the certificate ends on %s", name, end.Format(time.DateOnly))
	case left < certificateSoon:
		d.say(checkWarn, "see that it is renewed", "%s: the certificate ends in %d days", name, days)
	default:
		d.say(checkOK, "", "%s: the certificate is valid for %d days", name, days)
	}
}

// pins compares the adapters in use with their pins.
func (d *doctor) pins(context.Context) {
	used := map[string]bool{}
	for _, account := range d.cfg.Accounts {
		for _, conn := range account.Connections {
			used[conn.Adapter] = true
		}
	}
	delete(used, roster.AdapterInbound) // it is no program
	err := withHost(d.cfg, func(host *adapters.Host) error {
		for _, name := range sortedKeys(used) {
			switch err := host.Check(name); {
			case err != nil:
				d.say(checkFail, asFault(connectionFault(name, err)).Hint, "%v", err)
			case d.cfg.Plugins.Lock == "":
				d.say(checkWarn, "run `rosterd adapter lock` and name its file in plugins.lock", "adapter %s is there, and no lock pins it", name)
			default:
				d.say(checkOK, "", "adapter %s is the one that is pinned", name)
			}
		}
		return nil
	})
	if err != nil {
		d.say(checkFail, "correct plugins.dir", "%v", err)
	}
}

// credentials has every connection that can try itself do so.
func (d *doctor) credentials(ctx context.Context) {
	cfg, err := d.c.load(false)
	if err != nil {
		d.say(checkSkip, "run rosterd doctor as the daemon's user, with its environment", "the secrets cannot be read from here")
		return
	}
	err = withHost(cfg, func(host *adapters.Host) error {
		v := view{&parts{host: host, log: nil}, newSetup(cfg)}
		for _, ref := range refsOf(v) {
			d.credential(ctx, v, ref)
		}
		return nil
	})
	if err != nil {
		d.say(checkFail, "correct plugins.dir", "%v", err)
	}
}

func refsOf(v view) []string {
	var refs []string
	for _, account := range v.cfg.Accounts {
		for _, conn := range account.Connections {
			if conn.Adapter != roster.AdapterInbound { // nobody is asked there: others push to it
				refs = append(refs, conn.Ref)
			}
		}
	}
	slices.Sort(refs)
	return refs
}

func (d *doctor) credential(ctx context.Context, v view, ref string) {
	conn, err := v.connectWith(ctx, ref, "", v.host.OpenReadOnly)
	if err != nil {
		f := asFault(err)
		d.say(checkFail, f.Hint, "%s: %s", ref, f.Message)
		return
	}
	switch {
	case !conn.Has(sdk.AbilityChecker):
		d.say(checkSkip, "", "%s: its adapter cannot try its settings", ref)
	default:
		limited, done := context.WithTimeout(ctx, 2*dialTime)
		err = conn.Check(limited)
		done()
		if err != nil {
			d.say(checkFail, "renew the connection's credentials, or correct its settings", "%s: %v", ref, err)
		} else {
			d.say(checkOK, "", "%s: the system answers and takes the credentials", ref)
		}
	}
	_ = conn.Close() // it was only looked at
}

// public asks public_url for what only the running daemon can answer.
func (d *doctor) public(ctx context.Context) {
	const mend = "see that public_url, the proxy in front and listen.public lead to this daemon"
	if d.cfg.PublicURL == "" {
		d.say(checkSkip, "", "there is no public_url, and no import that needs one")
		return
	}
	client, err := dial(d.cfg)
	if err != nil {
		d.say(checkFail, "correct listen.admin", "%v", err)
		return
	}
	nonce := rand.Text()
	want, err := client.Probe(ctx, nonce)
	if err != nil {
		d.say(checkSkip, "start the daemon to have it checked", "no daemon runs that could answer at %s", d.cfg.PublicURL)
		return
	}
	got, err := fetch(ctx, d.cfg.PublicURL+probePath+nonce)
	switch {
	case err != nil:
		d.say(checkFail, mend, "%s cannot be reached from this machine: %v", d.cfg.PublicURL, err)
	case strings.TrimSpace(got) != want:
		d.say(checkFail, mend, "%s is answered by something else than this daemon", d.cfg.PublicURL)
	default:
		d.say(checkOK, "", "%s leads to this daemon", d.cfg.PublicURL)
	}
}

// maxProbe bounds what is read of an answer.
const maxProbe = 4 << 10

func fetch(ctx context.Context, address string) (string, error) {
	ctx, done := context.WithTimeout(ctx, dialTime)
	defer done()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answered %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProbe))
	return string(body), err
}
