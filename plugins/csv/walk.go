package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// list returns the files that the settings name, in the order of their names.
// One file that is named by itself has to be there; a folder or a pattern may
// be without files for the time being.
func (s settings) list() ([]string, error) {
	info, err := os.Stat(s.Path)
	switch {
	case err == nil && info.IsDir():
		return listFolder(s.Path)
	case err == nil:
		return []string{s.Path}, nil
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(s.Path, "*?["):
		return listPattern(s.Path)
	}
	return nil, openFault(s.Path, err)
}

func listPattern(pattern string) ([]string, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, sdk.Fail(sdk.CodeConfig, fmt.Errorf("path %q is not a valid pattern: %w", pattern, err))
	}
	paths = slices.DeleteFunc(paths, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.Mode().IsRegular()
	})
	slices.Sort(paths)
	return paths, nil
}

func listFolder(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, openFault(folder, err)
	}
	var paths []string
	for _, e := range entries {
		if path := filepath.Join(folder, e.Name()); isExport(e.Name()) {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// isExport tells the files of a drop folder that are to be read from those
// that are still being written under another name.
func isExport(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	switch filepath.Ext(name) {
	case ".csv", ".tsv", ".txt":
		return !strings.HasPrefix(name, ".")
	}
	return false
}

// nameHash stands for a file's name in a cursor.
func nameHash(path string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(path))
	return h.Sum64()
}

// chain adds a file to the hash of those that were read before it.
func chain(earlier, name uint64, id identity) uint64 {
	h := fnv.New64a()
	var b []byte
	for _, v := range []uint64{earlier, name, id.inode, uint64(id.size), uint64(id.mtime)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	h.Write(b)
	return h.Sum64()
}

// find returns the index of the position's file, -1 when it is not there.
func (p position) find(paths []string) int {
	return slices.IndexFunc(paths, func(path string) bool { return nameHash(path) == p.name })
}

// sameEarlier reports whether the files before the position's are those that
// were read.
func (p position) sameEarlier(before []string) bool {
	var h uint64
	for _, path := range before {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		h = chain(h, nameHash(path), identityOf(info))
	}
	return h == p.earlier
}

// fileAt returns the position at the beginning of a file.
func (p position) fileAt(path string) (position, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, changed(path, "was removed while it was to be read")
	}
	if err != nil {
		return position{}, openFault(path, err)
	}
	return position{
		settings: p.settings, earlier: p.earlier, name: nameHash(path), file: identityOf(info),
		at: place{line: 1}, encoding: encodingAuto,
	}, nil
}

// behind returns the position at the beginning of the first file whose name
// comes after path, and that file; the position itself, made whole, when there
// is none.
func (p position) behind(path string, paths []string) (position, string, error) {
	i, found := slices.BinarySearch(paths, path)
	if found {
		i++
	}
	if i == len(paths) {
		p.whole = true
		return p, "", nil
	}
	p.earlier = chain(p.earlier, p.name, p.file)
	next, err := p.fileAt(paths[i])
	return next, paths[i], err
}
