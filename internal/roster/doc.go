// Package roster holds the words of the domain: accounts, clubs, connections,
// jobs, runs, sessions and quarantined records, with their states and the
// rules that hold for them everywhere. It has no I/O, no clock and no
// interfaces; what only one package needs lives in that package.
package roster
