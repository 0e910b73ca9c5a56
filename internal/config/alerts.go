package config

import (
	"encoding/base64"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
)

// Alerts say who is told when something begins to need a person.
type Alerts struct {
	// Repeat is after how long the same is said once more.
	Repeat time.Duration
	// Receivers are who is told, ordered by name.
	Receivers []AlertReceiver
}

// AlertReceiver is somebody who is told. Either Email or Webhook is set.
type AlertReceiver struct {
	Name string
	// On are the states that it is told of.
	On []string
	// Account bounds them to those of one account's jobs; empty for all.
	Account string
	Email   *AlertEmail
	Webhook *AlertWebhook
}

// AlertEmail is how a receiver is told by e-mail.
type AlertEmail struct {
	Host string
	Port int
	// TLS is starttls, tls or none.
	TLS      string
	Username string
	Password roster.Secret
	From     string
	To       []string
}

// AlertWebhook is how a receiver is told by a signed request.
type AlertWebhook struct {
	URL string
	// Key signs the requests.
	Key roster.Secret
}

// defaultOn are the states that stop something; partial, which a single refused
// record makes, is not among them.
func defaultOn() []string {
	return []string{"failed", "blocked", "parked", "stale", "adapter_parked", "disk"}
}

// The ports of mail submission, by how it is encrypted.
func smtpPort(tls string) int {
	switch tls {
	case "tls":
		return 465
	case "none":
		return 25
	default:
		return 587
	}
}

func (l *loader) readAlerts(v value) {
	const day = 24 * time.Hour
	a := &l.cfg.Alerts
	a.Repeat = l.duration(v.get("repeat"), day, time.Minute, 366*day)
	on := texts(v.get("on"), defaultOn())
	for name, at := range l.named(v.get("receivers")) {
		r := AlertReceiver{Name: name, On: texts(at.get("on"), on), Account: at.get("account").textOr("")}
		email, webhook := at.get("email"), at.get("webhook")
		if at.is(yaml.MappingNode) && email.is(yaml.MappingNode) == webhook.is(yaml.MappingNode) {
			l.fault(value{src: at.src, node: at.key}, CodeMissing, "receiver "+quote(name)+" must have either \"email\" or \"webhook\"",
				"write one of the two below it; for both write two receivers")
		}
		if email.is(yaml.MappingNode) {
			r.Email = l.readEmail(email)
		}
		if webhook.is(yaml.MappingNode) {
			r.Webhook = l.readWebhook(webhook)
		}
		a.Receivers = append(a.Receivers, r)
	}
	slices.SortFunc(a.Receivers, func(a, b AlertReceiver) int { return strings.Compare(a.Name, b.Name) })
}

// texts returns the texts of a list, or otherwise where there is none.
func texts(v value, otherwise []string) []string {
	if !v.is(yaml.SequenceNode) {
		return otherwise
	}
	list := make([]string, 0, len(v.node.Content))
	for _, item := range v.items() {
		list = append(list, item.textOr(""))
	}
	return list
}

func (l *loader) readEmail(v value) *AlertEmail {
	smtp := v.get("smtp")
	e := &AlertEmail{
		Host: smtp.get("host").textOr(""), TLS: smtp.get("tls").textOr("starttls"),
		Username: smtp.get("username").textOr(""), Password: l.secret(smtp.get("password")),
	}
	e.Port = smtp.get("port").intOr(smtpPort(e.TLS))
	switch {
	case e.TLS != "none":
	case e.Host != "" && !loopback(e.Host):
		l.fault(smtp.get("tls"), CodeValue, "mail to another machine is not encrypted", "write starttls or tls; none is for a mail server on this machine")
	case smtp.get("password").node != nil:
		l.fault(smtp.get("tls"), CodeValue, "a password would be sent without encryption", "write starttls or tls, or remove username and password")
	}
	if has := smtp.get("username").node != nil; smtp.node != nil && has != (smtp.get("password").node != nil) {
		l.fault(smtp, CodeMissing, `"username" and "password" belong together`, "write both, or neither for a server that asks for none")
	}
	e.From = l.mailbox(v.get("from"))
	for _, to := range v.get("to").items() {
		e.To = append(e.To, l.mailbox(to))
	}
	return e
}

// mailbox reads an address without a name.
func (l *loader) mailbox(v value) string {
	text, ok := v.text()
	if !ok {
		return ""
	}
	if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
		l.fault(v, CodeValue, "this is no e-mail address", "write an address alone, such as ops@example.com")
	}
	return text
}

// minKey is the shortest key of a webhook in bytes, as Standard Webhooks want it.
const minKey = 24

func (l *loader) readWebhook(v value) *AlertWebhook {
	w := &AlertWebhook{URL: v.get("url").textOr("")}
	u, err := url.Parse(w.URL)
	at := v.get("url")
	switch {
	case at.node == nil:
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		at.src.hide(at.node)
		l.fault(at, CodeURL, `"url" is no web address`, "write where the messages are taken, such as  url: https://alerts.example.com/rosterd")
	case u.User != nil:
		at.src.hide(at.node)
		l.fault(at, CodeURL, `"url" holds a user or a password`, "remove them: the messages are signed with  secret")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		l.fault(at, CodeURL, `"url" is not encrypted`, "write https://; http is for an address of this machine only")
	}
	secret := l.secret(v.get("secret"))
	if secret.Reveal() == "" {
		return w
	}
	key, err := webhookKey(secret.Reveal())
	if err != nil {
		l.fault(v.get("secret"), CodeSecret, "the secret of the webhook "+err.Error(), "make one with  echo whsec_$(openssl rand -base64 32)")
	}
	w.Key = roster.NewSecret(key)
	return w
}

// webhookKey takes the key out of a secret of Standard Webhooks: whsec_ and
// base64. Any other text is the key itself.
func webhookKey(text string) (string, error) {
	key := text
	if encoded, ok := strings.CutPrefix(text, "whsec_"); ok {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return "", fmt.Errorf("is no base64 behind whsec_")
		}
		key = string(raw)
	}
	if len(key) < minKey {
		return "", fmt.Errorf("is shorter than %d bytes", minKey)
	}
	return key, nil
}

// checkAlerts finds receivers that are bounded to an account that is not there.
func (l *loader) checkAlerts(root value) {
	for name, at := range root.get("alerts").get("receivers").entries() {
		account := at.get("account")
		if ref, ok := account.text(); ok {
			if _, ok := l.cfg.Accounts[ref]; !ok {
				l.fault(account, CodeReference, "receiver "+quote(name)+" is for account "+quote(ref)+", which is not there", hintOf(ref, l.cfg.Accounts, "the accounts are"))
			}
		}
	}
}
