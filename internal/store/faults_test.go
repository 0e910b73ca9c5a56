package store_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/rosterd/rosterd/internal/roster"
	"github.com/rosterd/rosterd/internal/store"
)

func TestAnErrorOfTheStateDirectorySaysWhatToDo(t *testing.T) {
	for cause, code := range map[error]string{
		store.ErrDamaged: store.CodeDamaged, store.ErrSealed: store.CodeKey, store.ErrSchema: store.CodeSchema,
		store.ErrMoved: store.CodeMoved, syscall.ENOSPC: store.CodeDiskFull, syscall.EDQUOT: store.CodeDiskFull,
		syscall.EROFS: store.CodeReadOnly, syscall.EACCES: store.CodeOwner, store.ErrOwner: store.CodeOwner,
	} {
		err := store.Explain(fmt.Errorf("write it: %w", cause))
		f, ok := errors.AsType[*roster.Fault](err)
		if !ok || f.Code != code || f.Hint == "" || !strings.HasPrefix(f.Message, "write it: ") || !errors.Is(err, cause) {
			t.Errorf("%v: got %+v of %v", cause, f, err)
		}
		if again := store.Explain(fmt.Errorf("more: %w", err)); !errors.Is(again, f) {
			t.Errorf("%v: it was explained twice: %v", cause, again)
		}
	}
	for _, err := range []error{nil, store.ErrNotFound, store.ErrLocked, errors.New("other")} {
		if got := store.Explain(err); got != err { //nolint:errorlint // it must be the very error
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestThereIsRoomWhereThereIsRoom(t *testing.T) {
	if err := store.CheckRoom(t.TempDir()); err != nil && !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := store.CheckRoom(t.TempDir() + "/absent"); !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("got error %v", err)
	}
}
