// Package sandbox simulates platforms over real HTTP, for the quickstart and
// for tests.
//
// [InTandem] is written from the vendor's documents alone and shares no code
// with the side that it talks to: where the two agree, they agree on the
// protocol and not on a common mistake. Where the documents are silent it can
// be set to behave in every way that they allow: pages asked for twice,
// connections that break, answers that get lost.
//
// Package club, below, simulates a club-management system: the source and the
// target of syncs.
package sandbox
