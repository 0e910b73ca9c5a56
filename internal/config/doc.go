// Package config reads the configuration: one file and the account files that
// it includes.
//
// A file is read in four steps, each of which goes on behind a fault so that
// one call of [Load] reports all of them: the YAML tree with the positions of
// every value; its shape, checked against the embedded JSON Schema, which is
// also what editors get ([Schema]); the values, read into a [Config] with
// their defaults; and their meaning (references, time zones, schedules,
// secrets). Every finding is a [Fault] with its file, line, column and hint.
//
// A secret is only ever a reference to an environment variable, a file or a
// systemd credential. No fault shows a value that is or could be a secret.
package config
