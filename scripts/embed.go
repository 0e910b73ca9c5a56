// Package scripts holds the mapping scripts that come with rosterd, each with
// its cases beside it.
package scripts

import "embed"

// Files are the scripts and their cases by file name.
//
//go:embed *.lua *.txtar
var Files embed.FS
