package callers

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rosterd/rosterd/internal/roster"
)

// Secrets are the SHA-256 sums of the valid secrets. Sums have one length, so
// that comparing them tells nothing about how much of a guess was right.
type Secrets [][sha256.Size]byte

// NewSecrets takes secrets; empty ones are ignored.
func NewSecrets(valid []roster.Secret) Secrets {
	var sums Secrets
	for _, secret := range valid {
		if secret.Reveal() != "" {
			sums = append(sums, sha256.Sum256([]byte(secret.Reveal())))
		}
	}
	return sums
}

// Has compares with every valid secret, whichever matches.
func (s Secrets) Has(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	found := 0
	for i := range s {
		found |= subtle.ConstantTimeCompare(sum[:], s[i][:])
	}
	return found == 1
}

// SameText compares in a time that depends only on the lengths.
func SameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// maxAddresses bounds the addresses that are remembered at one time.
const maxAddresses = 4096

// Limits bounds how often each address is refused. When it is full it forgets an
// arbitrary address: who has thousands of them is not stopped by rates, and
// must not grow the daemon either.
type Limits struct {
	rate int
	mu   sync.Mutex
	of   map[netip.Addr]*rate.Limiter
}

// NewLimits bounds the refused requests of an address a second; twice as many may
// come at once.
func NewLimits(perSecond int) *Limits {
	return &Limits{rate: perSecond, of: map[netip.Addr]*rate.Limiter{}}
}

// Exhausted reports whether an address was refused too often lately.
func (l *Limits) Exhausted(addr netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.of[addr]
	return ok && limiter.TokensAt(now) < 1
}

// Charge counts one refused request of an address.
func (l *Limits) Charge(addr netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter, ok := l.of[addr]
	if !ok {
		l.makeRoom()
		limiter = NewLimiter(l.rate)
		l.of[addr] = limiter
	}
	limiter.AllowN(now, 1)
}

func (l *Limits) makeRoom() {
	if len(l.of) < maxAddresses {
		return
	}
	for addr := range l.of {
		delete(l.of, addr)
		return
	}
}

// NewLimiter allows perSecond and, at once, twice as many.
func NewLimiter(perSecond int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)
}

// Limited is what rates are counted for: an IPv6 caller usually has a
// whole network of 64 bits to send from.
func Limited(addr netip.Addr) netip.Addr {
	if addr.Is4() || !addr.IsValid() {
		return addr
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().Addr()
}

// Address is the address that a request comes from: of the connection,
// and where that is a trusted proxy, the last address in X-Forwarded-For that
// is not a trusted proxy as well. What stands before that address was written
// by the caller and proves nothing.
func Address(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if len(trusted) == 0 || !contains(trusted, addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && contains(trusted, addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, prefix := range prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
