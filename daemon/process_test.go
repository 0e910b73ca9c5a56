package main_test

import (
	"os"
	"path/filepath"
	"strings"
)

// processesIn lists the processes whose program or working folder lies in dir,
// each as its id and command line.
func processesIn(dir string) []string {
	dir += string(filepath.Separator)
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, entry := range entries {
		exe, _ := os.Readlink(filepath.Join(entry, "exe")) // unreadable: it has ended
		cwd, _ := os.Readlink(filepath.Join(entry, "cwd"))
		if !strings.HasPrefix(exe, dir) && !strings.HasPrefix(cwd+string(filepath.Separator), dir) {
			continue
		}
		words, _ := os.ReadFile(filepath.Join(entry, "cmdline"))
		found = append(found, filepath.Base(entry)+" "+strings.ReplaceAll(string(words), "\x00", " "))
	}
	return found
}
