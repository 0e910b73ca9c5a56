//go:build race

package docs_test

// buildMode builds programs as the tests are built, so that what they are made
// of is compiled once.
const buildMode = "-race=true"
