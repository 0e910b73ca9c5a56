package adapters

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lifeFile is a file in the runtime directory whose lock is held by a host and,
// through the file that they inherit, by every process below it.
const lifeFile = "life"

// ErrEarlier says that processes of an earlier host still run.
var ErrEarlier = errors.New("adapters of an earlier life still run")

// earlierWait is how long the processes of an earlier host may take to end: the
// kernel and their keepers end them when the host is gone.
const earlierWait = 10 * time.Second

// holdLife waits until nothing of an earlier host runs any more, and holds the
// lock for this one. An adapter that outlived a killed host might otherwise send
// a request while this one searches for what became of it.
func holdLife(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lifeFile), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("hold the runtime directory of adapters: %w", err)
	}
	for deadline := time.Now().Add(earlierWait); ; time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // The kernel has no lock that is waited for with a limit.
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return file, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(fmt.Errorf("hold the runtime directory of adapters: %w", err), file.Close())
		case time.Now().After(deadline): //nolint:forbidigo // As above.
			return nil, errors.Join(fmt.Errorf("%w after %s: find them with  fuser %s  and end them, then start again",
				ErrEarlier, earlierWait, file.Name()), file.Close())
		}
	}
}
