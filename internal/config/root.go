package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
)

// maxSocketPath is the longest path of a Unix socket on Linux (unix(7)).
const maxSocketPath = 107

// readRoot reads everything of the main file but its accounts.
func (l *loader) readRoot(v value) {
	c := l.cfg
	c.Version = 1
	c.StateDir = l.path(v, "state_dir", systemdDir(l.opts.Getenv("STATE_DIRECTORY"), "/var/lib/rosterd"))
	c.MasterKey = l.secret(v.get("keys").get("master"))
	c.ScriptsDir = l.path(v, "scripts_dir", "scripts")
	c.Plugins.Dir = l.path(v.get("plugins"), "dir", "/usr/lib/rosterd/plugins")
	c.Plugins.Lock = l.path(v.get("plugins"), "lock", "")
	l.readListen(v)
	l.readPublicURL(v.get("public_url"))
	for _, proxy := range v.get("trusted_proxies").items() {
		l.readProxy(proxy)
	}
	l.readExport(v.get("export"))
	c.Retention = l.retention(v.get("retention"))
	l.readAlerts(v.get("alerts"))
	c.Concurrency = v.get("concurrency").intOr(defaultRuns)
}

// checkUse finds what matters only when everything is read.
func (l *loader) checkUse(v value) {
	if !v.is(yaml.MappingNode) {
		return
	}
	if l.cfg.Plugins.Lock == "" {
		at := v.get("plugins")
		if at.node == nil {
			at = value{src: v.src}
		}
		l.warn(at, CodeUnlocked, "no lock pins the adapters: any program in "+l.cfg.Plugins.Dir+" is trusted",
			"run  rosterd adapter lock  and name its file in plugins.lock")
	}
	l.checkAlerts(v)
	l.checkProxies(v)
	for _, job := range l.cfg.Jobs {
		if job.Type == roster.JobImport && v.get("public_url").node == nil {
			l.fault(v, CodeMissing, `"public_url" is missing, and job `+job.Ref+" is an import",
				"write where inTandem reaches this daemon, such as  public_url: https://sync.example.com")
			return
		}
	}
}

// systemdDir takes the first of the directories that systemd made.
func systemdDir(list, otherwise string) string {
	if first, _, _ := strings.Cut(list, ":"); first != "" {
		return first
	}
	return otherwise
}

// path reads a path, which counts from the folder of its file.
func (l *loader) path(v value, key, otherwise string) string {
	text, ok := v.get(key).text()
	if !ok {
		text = otherwise
	}
	if text == "" {
		return ""
	}
	return resolve(l.files[0].dir, text)
}

func (l *loader) readListen(root value) {
	v, listen := root.get("listen"), &l.cfg.Listen
	listen.Public = v.get("public").textOr(":8080")
	if _, ok := l.address(v.get("public"), listen.Public); !ok {
		listen.Public = ""
	}
	listen.TLS = TLS{Cert: l.path(v.get("tls"), "cert", ""), Key: l.path(v.get("tls"), "key", "")}
	admin := v.get("admin").textOr("unix:" + systemdDir(l.opts.Getenv("RUNTIME_DIRECTORY"), "/run/rosterd") + "/admin.sock")
	listen.AdminToken = l.secret(v.get("admin_token"))
	if socket, ok := strings.CutPrefix(admin, "unix:"); ok {
		l.readSocket(v, socket)
		return
	}
	l.readAdminAddress(v, admin)
}

func (l *loader) readSocket(listen value, socket string) {
	at := listen.get("admin")
	path := resolve(l.files[0].dir, socket)
	switch {
	case socket == "":
		l.fault(at, CodeListen, "the path of the socket is missing", "write  admin: unix:/run/rosterd/admin.sock")
	case len(path) > maxSocketPath && at.node != nil:
		l.fault(at, CodeListen, fmt.Sprintf("the path of the socket is longer than %d bytes", maxSocketPath), "choose a shorter path")
	}
	if token := listen.get("admin_token"); token.node != nil {
		l.fault(value{src: token.src, node: token.key}, CodeListen, "a token is used only for a host:port; a socket is guarded by its file mode",
			"remove admin_token, or write  admin: 127.0.0.1:8081")
	}
	l.cfg.Listen.AdminSocket = path
}

func (l *loader) readAdminAddress(listen value, admin string) {
	at := listen.get("admin")
	host, ok := l.address(at, admin)
	if !ok {
		return
	}
	if !loopback(host) {
		l.fault(at, CodeListen, quote(admin)+" is reachable from other machines", "write a loopback address such as 127.0.0.1:8081, or unix:/run/rosterd/admin.sock")
	}
	if listen.get("admin_token").node == nil {
		l.fault(at, CodeMissing, `"admin_token" is missing: a host:port is open to every user of this machine`,
			"add  admin_token: {credential: admin}  or write  admin: unix:/run/rosterd/admin.sock")
	}
	l.cfg.Listen.Admin = admin
}

// address checks host:port; port 0 lets the system choose.
func (l *loader) address(v value, text string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", l.fault(v, CodeListen, quote(text)+" is no address", `write host:port, such as ":8080" or "127.0.0.1:8081"`)
	}
	return host, true
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func (l *loader) readPublicURL(v value) {
	const hint = "write where targets reach this daemon, such as  public_url: https://sync.example.com"
	text, ok := v.text()
	if !ok {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		l.fault(v, CodeURL, `"public_url" is no web address`, hint)
	case u.User != nil:
		v.src.hide(v.node)
		l.fault(v, CodeURL, `"public_url" holds a user or a password`, hint)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		v.src.hide(v.node)
		l.fault(v, CodeURL, `"public_url" has something behind its path`, "remove everything from the first ? or # on")
	case hasSecretPath(u.Path):
		v.src.hide(v.node)
		l.fault(v, CodeURL, `"public_url" holds the secret path`, "write the address without /c/ and what follows; rosterd connections prints the whole")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.fault(v, CodeURL, `"public_url" is not encrypted`, "write https://; http is for an address of this machine only")
	default:
		l.cfg.PublicURL = strings.TrimRight(text, "/")
	}
}

// checkProxies warns where callers come by way of a proxy that is not named: all of
// them then have its address, and share one limit of requests. That there is a proxy
// shows in what public_url says and the listener does not.
func (l *loader) checkProxies(root value) {
	at, listen := root.get("public_url"), l.cfg.Listen
	u, err := url.Parse(l.cfg.PublicURL)
	if err != nil || l.cfg.PublicURL == "" || len(l.cfg.TrustedProxies) > 0 || !l.servesCallers() {
		return
	}
	host, _, _ := net.SplitHostPort(listen.Public) // it was checked
	var why string
	switch {
	case u.Scheme == "https" && listen.TLS.Cert == "":
		why = "is https, and listen has no tls"
	case loopback(host) && !loopback(u.Hostname()):
		why = "leads elsewhere than to " + listen.Public
	default:
		return
	}
	l.warn(at, CodeProxies, `"public_url" `+why+`, so that there is a proxy in front, and "trusted_proxies" names none: all callers share the limits of one address`,
		"name the proxy's address, such as  trusted_proxies: [127.0.0.1/32]  and have it set X-Forwarded-For")
}

// servesCallers reports whether anybody calls the public address.
func (l *loader) servesCallers() bool {
	if slices.ContainsFunc(l.cfg.Jobs, func(job roster.Job) bool { return job.Type == roster.JobImport }) {
		return true
	}
	for _, account := range l.cfg.Accounts {
		for _, c := range account.Connections {
			if c.Adapter == roster.AdapterInbound {
				return true
			}
		}
	}
	return false
}

func hasSecretPath(path string) bool {
	return strings.Contains(strings.TrimRight(path, "/")+"/", "/c/")
}

func (l *loader) readProxy(v value) {
	text, ok := v.text()
	if !ok {
		return
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, aerr := netip.ParseAddr(text)
		if aerr == nil && addr.Zone() == "" {
			prefix, err = addr.Prefix(addr.BitLen())
		}
	}
	switch {
	case err != nil:
		l.fault(v, CodeListen, quote(text)+" is no address or network", "write 127.0.0.1 or 10.0.0.0/8")
	case prefix.Bits() == 0:
		l.fault(v, CodeListen, quote(text)+" would believe every caller", "name the addresses of your proxies")
	default:
		l.cfg.TrustedProxies = append(l.cfg.TrustedProxies, prefix.Masked())
	}
}

func (l *loader) readExport(v value) {
	e := &l.cfg.Export
	secrets := v.get("secret").items()
	if secret := v.get("secret"); secret.node != nil && len(secrets) == 0 {
		secrets = []value{secret}
	}
	for _, at := range secrets {
		if secret := l.secret(at); secret.Reveal() != "" {
			l.checkPathSecret(at, secret.Reveal())
			e.Secrets = append(e.Secrets, secret)
		} else {
			e.Unread = true
		}
	}
	const day = 24 * time.Hour
	e.AnnounceWait = l.duration(v.get("announce_wait"), 2*time.Minute, time.Second, day)
	e.SessionTimeout = l.duration(v.get("session_timeout"), 30*time.Minute, time.Second, 7*day)
	e.SessionGap = l.duration(v.get("session_gap"), 10*time.Second, 0, day)
	e.OutcomeWait = l.duration(v.get("outcome_wait"), day, time.Minute, 30*day)
	e.Repeats = v.get("repeats").intOr(20)
}

// minPathSecret is the shortest secret of a path: 128 bits in base64.
const minPathSecret = 22

func (l *loader) checkPathSecret(v value, secret string) {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	switch {
	case len(secret) < minPathSecret:
		l.fault(v, CodeSecret, fmt.Sprintf("the secret of the export address is shorter than %d characters", minPathSecret), "make one with  openssl rand -hex 32")
	case strings.Trim(secret, safe) != "":
		l.fault(v, CodeSecret, "the secret of the export address may hold only letters, digits, - and _", "make one with  openssl rand -hex 32")
	}
}

func (l *loader) duration(v value, otherwise, least, most time.Duration) time.Duration {
	text, ok := v.text()
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		l.fault(v, CodeDuration, quote(text)+" is no duration", hintDuration)
	case d < least || d > most:
		l.fault(v, CodeDuration, fmt.Sprintf("%s is not between %s and %s", quote(text), least, most), hintDuration)
	default:
		return d
	}
	return otherwise
}
