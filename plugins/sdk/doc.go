// Package sdk is the contract between rosterd and its adapters.
//
// An adapter is a program that speaks to one kind of outside system. Its main
// function is one call of serve.Main with an [Adapter]; rosterd starts the
// program, opens the configured connections and calls the abilities that the
// opened values have.
//
// An ability is a small interface ([Source], [ImportStarter],
// [OutcomeSubscriber], [FieldLister], [Checker]). A published interface never gains a method: an argument is added
// to its request struct, an ability is another interface.
//
// The package imports only the standard library, so that the daemon's own
// packages use these types without a transport behind them.
package sdk
