// Package admin is the operator's API: what the commands of rosterd ask of the
// running daemon, and the client with which they ask.
//
// openapi.yaml describes every operation and is served at /openapi.yaml; a test
// holds the routes and the answers to it. The package stores nothing and decides
// nothing: it asks [Runs], [Sessions], [Quarantine] and [Installation], which the
// daemon's parts implement, and turns their sentinel errors into problems.
package admin
