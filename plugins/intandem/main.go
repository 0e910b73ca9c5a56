// Command intandem is the adapter for inTandem (vcita): it announces client
// imports, which inTandem then pulls from rosterd, and lists the fields of a
// business's client card.
package main

import "github.com/rosterd/rosterd/plugins/sdk/serve"

func main() { serve.Main(adapter()) }
