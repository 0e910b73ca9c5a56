package systemd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// JournalSocket is where the journal takes entries with fields.
const JournalSocket = "/run/systemd/journal/socket"

// IsJournal reports whether a file, which is standard error, leads into the
// journal: systemd tells its device and inode in JOURNAL_STREAM.
func IsJournal(getenv func(string) string, f *os.File) bool {
	stream := getenv("JOURNAL_STREAM")
	if stream == "" {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// Journal is a handler of slog that writes entries with fields. The message of an
// entry holds its attributes too, as key=value; each is also a field of its own,
// with its name in upper case behind ROSTERD_. The zero Journal is of no use.
type Journal struct {
	socket *net.UnixAddr
	conn   *net.UnixConn
	level  slog.Leveler
	// otherwise takes what the journal does not.
	otherwise slog.Handler
	group     string
	attrs     []field
}

// field is an attribute as it is written.
type field struct{ key, value string }

var _ slog.Handler = (*Journal)(nil)

// NewJournal makes a handler that writes to the socket of a journal. What cannot
// be written goes to otherwise.
func NewJournal(socket string, level slog.Leveler, otherwise slog.Handler) (*Journal, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("open a socket to the journal: %w", err)
	}
	return &Journal{socket: &net.UnixAddr{Name: socket, Net: "unixgram"}, conn: conn, level: level, otherwise: otherwise}, nil
}

// Enabled reports whether entries of a level are written.
func (j *Journal) Enabled(_ context.Context, level slog.Level) bool { return level >= j.level.Level() }

// WithAttrs returns a handler whose entries have further attributes.
func (j *Journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *j
	next.otherwise = j.otherwise.WithAttrs(attrs)
	next.attrs = slices.Clip(j.attrs)
	for _, a := range attrs {
		next.attrs = appendAttr(next.attrs, j.group, a)
	}
	return &next
}

// WithGroup returns a handler whose further attributes are in a group.
func (j *Journal) WithGroup(name string) slog.Handler {
	if name == "" {
		return j
	}
	next := *j
	next.otherwise, next.group = j.otherwise.WithGroup(name), j.group+name+"."
	return &next
}

// Handle writes one entry.
func (j *Journal) Handle(ctx context.Context, r slog.Record) error {
	fields := slices.Clip(j.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fields = appendAttr(fields, j.group, a)
		return true
	})
	if err := j.write(entry(r, fields)); err != nil {
		return j.otherwise.Handle(ctx, r)
	}
	return nil
}

// appendAttr adds an attribute, and those of a group each.
func appendAttr(to []field, group string, a slog.Attr) []field {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" {
			return to
		}
		return append(to, field{group + a.Key, textOf(v)})
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, inner := range v.Group() {
		to = appendAttr(to, group, inner)
	}
	return to
}

func textOf(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().Format(time.RFC3339Nano)
	}
	return v.String()
}

// entry is an entry in the native protocol of the journal.
func entry(r slog.Record, fields []field) []byte {
	var message strings.Builder
	message.WriteString(r.Message)
	for _, f := range fields {
		message.WriteString(" " + f.key + "=" + quoted(f.value))
	}
	out := appendField(nil, "MESSAGE", message.String())
	out = appendField(out, "PRIORITY", priority(r.Level))
	out = appendField(out, "SYSLOG_IDENTIFIER", "rosterd")
	if r.PC != 0 {
		frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
		out = appendField(out, "CODE_FILE", frame.File)
		out = appendField(out, "CODE_LINE", strconv.Itoa(frame.Line))
		out = appendField(out, "CODE_FUNC", frame.Function)
	}
	for _, f := range fields {
		out = appendField(out, fieldName(f.key), f.value)
	}
	return out
}

// quoted is a value that can be read in a line.
func quoted(value string) string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return strconv.Quote(value)
	}
	return value
}

// priority is a level as syslog has it.
func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "3"
	case level >= slog.LevelWarn:
		return "4"
	case level >= slog.LevelInfo:
		return "6"
	default:
		return "7"
	}
}

// maxFieldName is the longest name that the journal takes.
const maxFieldName = 64

// fieldName is the field of an attribute.
func fieldName(key string) string {
	name := "ROSTERD_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		default:
			return '_'
		}
	}, key)
	return name[:min(len(name), maxFieldName)]
}

// appendField adds a field: a value with a line break is written with its length.
func appendField(out []byte, name, value string) []byte {
	out = append(out, name...)
	if !strings.Contains(value, "\n") {
		return append(append(append(out, '='), value...), '\n')
	}
	out = binary.LittleEndian.AppendUint64(append(out, '\n'), uint64(len(value)))
	return append(append(out, value...), '\n')
}

// write sends one entry. One that is too large for a message is handed over as a
// sealed file.
func (j *Journal) write(text []byte) error {
	_, _, err := j.conn.WriteMsgUnix(text, nil, j.socket)
	if !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	fd, err := unix.MemfdCreate("journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "journal")
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return err
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	_, _, err = j.conn.WriteMsgUnix(nil, unix.UnixRights(fd), j.socket)
	return err
}
