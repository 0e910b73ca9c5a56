package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// The half of an adapter that is not like a third party's: SIGUSR1 has it take
// memory until it is ended, SIGUSR2 has it try what it may not do, and write what
// came of that into the file "managed" of its TMPDIR.
func init() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range told {
			if s == syscall.SIGUSR1 {
				takeMemory()
			}
			_ = os.WriteFile(filepath.Join(os.TempDir(), "managed"), []byte(strings.Join(managed(), "\n")+"\n"), 0o600)
		}
	}()
}

func takeMemory() {
	var taken [][]byte
	for {
		page := make([]byte, 1<<20)
		for i := 0; i < len(page); i += 4096 {
			page[i] = 1
		}
		taken = append(taken, page)
	}
}

func managed() (list []string) {
	note := func(what string, err error) {
		if err == nil {
			list = append(list, what)
		}
	}
	for _, path := range []string{
		"/etc/nsswitch.conf", // may be read
		"/etc/passwd", "/etc/rosterd/rosterd.yaml", "/etc/rosterd/credentials/intandem", "/run/credentials/rosterd.service/intandem",
		"/var/lib/rosterd/master.key", "/var/lib/rosterd/rosterd.db", "/srv/acme/members.csv", "/proc/1/environ",
	} {
		_, err := os.ReadFile(path)
		note("read "+path, err)
	}
	for _, dir := range []string{"/etc", "/usr/lib/rosterd/plugins", "/var/lib/rosterd", "/srv/acme/out", "/tmp", "/dev/shm"} {
		note("write "+dir, os.WriteFile(dir+"/probe", nil, 0o600))
	}
	_, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_WRITE|syscall.PROT_EXEC, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	note("make memory executable", err)
	for family, name := range map[int]string{syscall.AF_PACKET: "packet", syscall.AF_NETLINK: "netlink"} {
		_, err := syscall.Socket(family, syscall.SOCK_RAW, 0)
		note("open a socket of the family "+name, err)
	}
	note("become root", syscall.Setuid(0))
	note("enter a namespace", syscall.Unshare(syscall.CLONE_NEWUSER))
	note("mount", syscall.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
	note("set the clock", syscall.Settimeofday(&syscall.Timeval{Sec: 1}))
	return list
}
