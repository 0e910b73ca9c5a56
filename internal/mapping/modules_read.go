package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

var errNoFile = errors.New("not a regular file")

// ReadScript reads the script at path, every module that it requires and every
// table that these look into, all inside of dir, which is scripts_dir: a name or a symbolic link that leads out
// of it is refused. An error in what a script or a module requires is a
// [ScriptError]; that the script itself cannot be read is another error.
func ReadScript(dir, path string) (script Script, err error) {
	name, err := nameBelow(dir, path)
	if err != nil {
		return Script{}, fmt.Errorf("read the script: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Script{}, fmt.Errorf("read the script: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	script = Script{Name: path, Dir: dir}
	if script.Source, err = readSource(root, name); err != nil {
		return Script{}, fmt.Errorf("script %s cannot be read: %w", path, cause(err))
	}
	r := resolver{
		dir: dir, modules: map[string][]byte{}, open: []string{filepath.ToSlash(name)},
		fetch: func(path string) ([]byte, error) { return readSource(root, filepath.FromSlash(path)) },
	}
	if err := r.resolve(path, script.Source); err != nil {
		return Script{}, err
	}
	script.Modules = r.modules
	if err := script.readTables(root); err != nil {
		return Script{}, err
	}
	return script, nil
}

// nameBelow returns how a path is written from a folder on.
func nameBelow(dir, path string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	return filepath.Rel(dir, path)
}

// cause is what is wrong with a file, without the operation and the path.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// maxSourceRead is how much of a file is read. It is more than a script may
// have, so that the message about one that is too large can say its size.
const maxSourceRead = 16 * MaxScriptBytes

// readSource reads one file.
func readSource(root *os.Root, name string) (source []byte, err error) {
	info, err := root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: errNoFile}
	}
	if err != nil {
		return nil, err
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return io.ReadAll(io.LimitReader(file, maxSourceRead))
}

// Files returns the script's name and those of its modules and tables, in order.
func (s Script) Files() []string {
	files := []string{s.Name}
	for _, path := range slices.Sorted(maps.Keys(s.Modules)) {
		files = append(files, s.moduleName(path))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tables)) {
		files = append(files, s.moduleName(name))
	}
	return files
}

// moduleName is a module's name for messages.
func (s Script) moduleName(path string) string { return filepath.Join(s.Dir, filepath.FromSlash(path)) }

// Digest returns the SHA-256 of what the script does, in hexadecimal: of its
// source, and where it has modules and tables, of their paths and contents too.
func (s Script) Digest() string {
	hash := sha256.New()
	hash.Write(s.Source)
	for _, path := range slices.Sorted(maps.Keys(s.Modules)) {
		fmt.Fprintf(hash, "\x00%d %s\x00%d ", len(s.Source), path, len(s.Modules[path]))
		hash.Write(s.Modules[path])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tables)) {
		fmt.Fprintf(hash, "\x00%d %s\x00%d ", len(s.Source), name, len(s.Tables[name]))
		hash.Write(s.Tables[name])
	}
	return hex.EncodeToString(hash.Sum(nil))
}
