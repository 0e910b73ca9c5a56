package alerts_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailServer is a server of SMTP (RFC 5321) with STARTTLS and AUTH PLAIN, which
// keeps what it is sent.
type mailServer struct {
	port  int
	roots *x509.CertPool
	cert  tls.Certificate
	// noTLS leaves STARTTLS out, refuse are answers to commands in their place,
	// and to a whole mail for the command "."; an empty one is none.
	noTLS  bool
	refuse map[string]string

	mu     sync.Mutex
	mails  []receivedMail
	logins []string
}

// receivedMail is a mail with its envelope.
type receivedMail struct {
	from string
	to   []string
	text string
	tls  bool
}

// startMail starts a server on this machine that speaks TLS from the start on,
// or when it is asked to.
func startMail(t *testing.T, implicit bool, change func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{refuse: map[string]string{}}
	s.cert, s.roots = certificate(t)
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if implicit {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{s.cert}})
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn, implicit) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return s
}

// certificate makes one for 127.0.0.1 that nobody else believes.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}

// serve answers one client.
func (s *mailServer) serve(conn net.Conn, secure bool) {
	defer func() { conn.Close() }()
	conn.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // a test's connection
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 mail.example.com")
	var m receivedMail
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if answer, ok := s.refuse[verb]; ok {
			say("%s", answer)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-mail.example.com")
			if !secure && !s.noTLS {
				say("250-STARTTLS")
			}
			if secure {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			upgraded := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})
			conn, secure, r = upgraded, true, bufio.NewReader(upgraded)
		case "AUTH":
			s.login(rest)
			say("235 welcome")
		case "MAIL":
			m = receivedMail{from: address(rest), tls: secure}
			say("250 ok")
		case "RCPT":
			m.to = append(m.to, address(rest))
			say("250 ok")
		case "DATA":
			say("354 go on")
			m.text = data(r)
			if answer, ok := s.refuse["."]; ok {
				if answer == "" {
					return // the line breaks
				}
				say("%s", answer)
				continue
			}
			s.keep(m)
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *mailServer) login(rest string) {
	_, encoded, _ := strings.Cut(rest, " ")
	plain, _ := base64.StdEncoding.DecodeString(encoded)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, strings.ReplaceAll(string(plain), "\x00", "/"))
}

func (s *mailServer) keep(m receivedMail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
}

func (s *mailServer) received() []receivedMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]receivedMail(nil), s.mails...)
}

func address(rest string) string {
	_, behind, _ := strings.Cut(rest, "<")
	address, _, _ := strings.Cut(behind, ">")
	return address
}

// data reads a mail up to the line with a dot.
func data(r *bufio.Reader) string {
	var text strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}
