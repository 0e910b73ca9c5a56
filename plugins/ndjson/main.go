// Command ndjson is the adapter for files of newline-delimited JSON: one
// object a line, as log shippers, exports and other programs write them. It
// reads a file that may grow, and goes on where it was.
package main

import "github.com/rosterd/rosterd/plugins/sdk/serve"

func main() { serve.Main(adapter()) }
