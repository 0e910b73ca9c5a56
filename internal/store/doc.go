// Package store holds what every way of keeping the daemon's state shares: the
// errors, the [Keyring] that seals what may hold personal data, the lock of
// the state directory, and [ChangeSets], the files that hold what a prepared
// run will deliver.
//
// The database itself is in a package below it: bolt keeps it in one file.
// There is no interface for the whole store; each user declares the methods
// that it needs, and storetest holds what every implementation promises.
//
// The state directory holds
//
//	master.key        the master key, unless it is configured elsewhere
//	rosterd.lock      the lock, with the process id of its holder
//	rosterd.db        the database (package bolt)
//	rosterd.clean     how the database was left by a clean shutdown
//	changesets/R.cs   the change set of run R
//	served/S.notes    what session S served since it was stored last (package bolt)
package store
