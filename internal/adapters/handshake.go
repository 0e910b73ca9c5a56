package adapters

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"

	"github.com/rosterd/rosterd/internal/wire"
)

// handshakeLine tells the handshake from whatever else a program printed
// before it: core version, protocol version, network, address, and more.
var handshakeLine = regexp.MustCompile(`^\d{1,4}\|\d{1,4}\|(unix|tcp)\|`)

// minCertificate is the length below which the field of the certificate does
// not hold one; the number is go-plugin's.
const minCertificate = 50

// checkHandshake accepts only what a process of this host may answer: the
// protocol that is spoken, over a socket in the process's own directory, with a
// certificate.
func checkHandshake(name, line, dir string) error {
	f := strings.Split(line, "|")
	if f[0] != strconv.Itoa(plugin.CoreProtocolVersion) {
		return fmt.Errorf("%w: %s speaks version %s of go-plugin's protocol, this rosterd version %d;"+
			" build the adapter with the SDK of this rosterd", ErrProtocol, name, f[0], plugin.CoreProtocolVersion)
	}
	if f[1] != strconv.Itoa(wire.ProtocolVersion) {
		return fmt.Errorf("%w: %s speaks version %s, this rosterd version %d;"+
			" install the adapter that was built for this rosterd", ErrProtocol, name, f[1], wire.ProtocolVersion)
	}
	if len(f) < 6 || f[4] != string(plugin.ProtocolGRPC) || len(f[5]) < minCertificate {
		return fmt.Errorf("%w: %s does not offer gRPC with a certificate; build it with the SDK's serve.Main", ErrStart, name)
	}
	if f[2] != "unix" || filepath.Dir(f[3]) != dir {
		return fmt.Errorf("%w: %s listens outside the directory that it was given; build it with the SDK's serve.Main",
			ErrStart, name)
	}
	if st, err := os.Lstat(f[3]); err != nil || st.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%w: %s named an address that is not a socket; build it with the SDK's serve.Main", ErrStart, name)
	}
	return nil
}
