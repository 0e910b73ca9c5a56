// Package sdktest is the conformance suite of adapters: the tests that every
// adapter passes. An adapter's own test calls it once, with settings that work
// and, where there is an outside system, hooks of a fake of it:
//
//	func TestConformance(t *testing.T) {
//		sdktest.Run(t, sdktest.Case{
//			Adapter:    adapter(),
//			Connection: sdk.Connection{Name: "acme/gym", Settings: settings},
//		})
//	}
//
// Each check is made twice: on the adapter's value, and over the gRPC
// connection that rosterd uses. What is checked follows from the abilities and
// kinds that the adapter declares: what it cannot do, it does not declare. A
// check that needs a hook which the case does not give is skipped and says so.
//
// `rosterd adapter test` makes the same checks on a built program, by
// [Evaluate].
package sdktest
