package main

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"github.com/rosterd/rosterd/internal/config"
)

// certificate is the key pair of the public listener. It is read again when its
// file changes: certificates are renewed every few weeks, and a daemon runs for
// longer.
type certificate struct {
	files config.TLS

	mu      sync.Mutex
	changed time.Time
	pair    *tls.Certificate
}

// get returns the pair for a handshake. While the files are being replaced and
// do not fit each other, the pair from before goes on serving.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.files.Cert)
	if err == nil && c.pair != nil && info.ModTime().Equal(c.changed) {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	}
	switch {
	case err == nil:
		c.pair, c.changed = &pair, info.ModTime()
	case c.pair == nil:
		return nil, err
	}
	return c.pair, nil
}
