//go:build race

package mapping_test

// raced says that the race detector runs, also in workers: it makes them many
// times slower and larger, so that limits end what has another verdict without.
const raced = true
