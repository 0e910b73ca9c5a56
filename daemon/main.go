// Command rosterd keeps the rosters of people in step between systems that do
// not know each other. This package puts the parts together: each command has
// a file, parts.go starts and stops the daemon, and flow.go makes a job ready
// for a run. It decides nothing that a record could notice.
package main

import (
	"os"
)

// version is set by the linker.
var version = "devel"

func main() {
	os.Exit(run(process{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
	}))
}
