package sdk

import "context"

// readOnlyKey marks the context of a call in which nothing may be written.
type readOnlyKey struct{}

// WithReadOnly returns a context in which nothing may be written to an outside
// system. rosterd marks every call so but [Target].Write,
// [ImportStarter].StartImport and [OutcomeSubscriber].SubscribeOutcomes, and
// package httpx refuses to send a write under it.
func WithReadOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, readOnlyKey{}, true)
}

// ReadOnly reports whether ctx was marked by [WithReadOnly].
func ReadOnly(ctx context.Context) bool {
	marked, _ := ctx.Value(readOnlyKey{}).(bool)
	return marked
}
