package alerts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/rosterd/rosterd/internal/roster"
)

// Email tells a receiver by e-mail.
type Email struct {
	Host string
	Port int
	// TLS is starttls, tls or none.
	TLS      string
	Username string
	Password roster.Secret
	From     string
	To       []string
	// Roots are whom the server's certificate may come from; nil for those of the
	// system.
	Roots *x509.CertPool
}

// smtpTime bounds each step of sending a mail.
const smtpTime = 20 * time.Second

// Send hands one message to the mail server.
func (e Email) Send(ctx context.Context, m Message) error {
	msg, err := e.message(m)
	if err != nil {
		return emailFault("the mail cannot be written", err)
	}
	client, err := mail.NewClient(e.Host, e.options()...)
	if err != nil {
		return emailFault("the mail server's settings cannot be used", err)
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return emailFault("the mail server cannot be used", err)
	}
	err = client.SendWithSMTPClient(conn, msg)
	_ = client.CloseWithSMTPClient(conn)
	// Once the server has taken the mail, how the connection ends does not matter.
	if err != nil && !msg.IsDelivered() {
		return emailFault("the mail server does not take the mail", err)
	}
	return nil
}

func (e Email) message(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(e.From), msg.To(e.To...)); err != nil {
		return nil, err
	}
	msg.Subject(m.title())
	msg.SetDateWithValue(m.At)
	msg.SetMessageIDWithValue(m.ID + "@rosterd")
	// Answering machines leave it alone.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, m.text())
	return msg, nil
}

func (e Email) options() []mail.Option {
	options := []mail.Option{
		mail.WithPort(e.Port), mail.WithTimeout(smtpTime),
		mail.WithTLSConfig(&tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12, RootCAs: e.Roots}),
	}
	switch e.TLS {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if e.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.Username), mail.WithPassword(e.Password.Reveal()))
	}
	return options
}

// emailFault says what a mail server did not take, without its words and without
// the addresses of people, which errors of the library hold.
func emailFault(message string, err error) error {
	if why := reasonOf(err); why != "" {
		message += ": " + why
	}
	return &roster.Fault{Code: codeEmail, Message: message, Hint: "look at the receiver's email below alerts.receivers, and at the log of the mail server"}
}

func reasonOf(err error) string {
	if e, ok := errors.AsType[*mail.SendError](err); ok {
		if code := e.ErrorCode(); code != 0 {
			return fmt.Sprintf("%s (%d)", e.Reason, code)
		}
		return e.Reason.String()
	}
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return fmt.Sprintf("it answered %d", e.Code)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	return ""
}
