// Command rest is the adapter for services that speak HTTP and JSON: a file says
// which calls a service has, and the adapter reads, finds and writes with those.
package main

import "github.com/rosterd/rosterd/plugins/sdk/serve"

func main() { serve.Main(adapter()) }
