package alerts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rosterd/rosterd/internal/roster"
)

// Webhook tells a receiver by a request that is signed as Standard Webhooks
// describe it (https://www.standardwebhooks.com).
type Webhook struct {
	URL string
	// Key signs the requests.
	Key roster.Secret
	// Client makes the requests; nil for one of its own, which follows no redirect.
	Client *http.Client
}

// webhookTime bounds a request.
const webhookTime = 10 * time.Second

// The codes of faults of receivers.
const (
	codeWebhook = "alert.webhook"
	codeEmail   = "alert.email"
)

// webhookBody is what a request holds.
type webhookBody struct {
	// Type is rosterd.alerts, or rosterd.test for a trial.
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      webhookData `json:"data"`
}

type webhookData struct {
	Origin string        `json:"origin"`
	Title  string        `json:"title"`
	Alerts []webhookItem `json:"alerts"`
}

type webhookItem struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Facet   string `json:"facet"`
	// State is what is wrong, or ok.
	State   string    `json:"state"`
	Again   bool      `json:"again"`
	Since   time.Time `json:"since"`
	Summary string    `json:"summary"`
	Command string    `json:"command,omitempty"`
}

// Send makes one request. A status from 200 to 299 takes the message.
func (h Webhook) Send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m.webhook())
	if err != nil {
		return fmt.Errorf("encode the message: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return webhookFault("the address of the webhook cannot be used")
	}
	stamp := strconv.FormatInt(m.At.Unix(), 10)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "rosterd", "Webhook-Id": m.ID, "Webhook-Timestamp": stamp,
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(h.sign(m.ID+"."+stamp+".", body)),
	} {
		req.Header.Set(name, value)
	}
	res, err := h.client().Do(req)
	if err != nil {
		// The error names the address, which may hold a secret.
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		fault := webhookFault("the webhook cannot be reached: " + err.Error())
		if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
			return fault // nothing was sent
		}
		return unsure{fault}
	}
	defer res.Body.Close()
	const enough = 64 << 10
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, enough)) // lets the connection be used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return webhookFault(fmt.Sprintf("the webhook answered %d", res.StatusCode))
	}
	return nil
}

func webhookFault(message string) *roster.Fault {
	return &roster.Fault{Code: codeWebhook, Message: message, Hint: "look at the receiver's url and secret below alerts.receivers, and at the log of who takes the request"}
}

// sign is the signature of a request.
func (h Webhook) sign(head string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(h.Key.Reveal()))
	mac.Write([]byte(head))
	mac.Write(body)
	return mac.Sum(nil)
}

func (h Webhook) client() *http.Client {
	if h.Client != nil {
		return h.Client
	}
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		// A redirect would carry the message to another address than the configured
		// one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (m Message) webhook() webhookBody {
	body := webhookBody{Type: "rosterd.alerts", Timestamp: m.At.UTC(), Data: webhookData{Origin: m.Origin, Title: m.title(), Alerts: []webhookItem{}}}
	if m.Test {
		body.Type = "rosterd.test"
	}
	for _, item := range m.Items {
		state := item.State
		if state == "" {
			state = "ok"
		}
		body.Data.Alerts = append(body.Data.Alerts, webhookItem{
			ID: item.ID, Subject: item.Subject, Facet: item.Facet, State: state, Again: item.Again, Since: item.Since.UTC(),
			Summary: item.Summary, Command: item.Command,
		})
	}
	return body
}
