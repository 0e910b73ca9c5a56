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
	// The library leaves a connection open on which it could not log in.
	line := &line{tls: e.tls(), encrypted: e.TLS == "tls"}
	defer line.close()
	client, err := mail.NewClient(e.Host, e.options(line)...)
	if err != nil {
		return emailFault("the mail server's settings cannot be used", err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return emailFault("the mail server cannot be used", err)
	}
	err = client.SendWithSMTPClient(session, msg)
	_ = client.CloseWithSMTPClient(session)
	// Once the server has taken the mail, how the connection ends does not matter.
	if err == nil || msg.IsDelivered() {
		return nil
	}
	fault := emailFault("the mail server does not take the mail", err)
	if e, ok := errors.AsType[*mail.SendError](err); ok && e.Reason == mail.ErrSMTPDataClose && e.ErrorCode() == 0 {
		return unsure{fault} // it had the whole mail, and its answer was lost
	}
	return fault
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

func (e Email) tls() *tls.Config {
	return &tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12, RootCAs: e.Roots}
}

// line is the connection to a mail server.
type line struct {
	tls *tls.Config
	// encrypted says that it is so from the start on.
	encrypted bool
	conn      net.Conn
}

func (l *line) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	if l.encrypted {
		conn, err = (&tls.Dialer{Config: l.tls}).DialContext(ctx, network, address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	}
	l.conn = conn
	return conn, err
}

func (l *line) close() {
	if l.conn != nil {
		_ = l.conn.Close() // it may be closed
	}
}

func (e Email) options(line *line) []mail.Option {
	options := []mail.Option{
		mail.WithPort(e.Port), mail.WithTimeout(smtpTime), mail.WithTLSConfig(e.tls()), mail.WithDialContextFunc(line.dial),
	}
	switch e.TLS {
	case "tls":
		// The line is encrypted, which the library finds out with this policy.
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
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
func emailFault(message string, err error) *roster.Fault {
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
