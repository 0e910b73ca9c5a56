// Package pipeline executes runs. A run is prepared (read, mapped, frozen into
// a change set), judged, and delivered; [Runner] owns the runs that are under
// way and resumes them after a crash.
//
// One record passes through these functions in this order: [Runner.Start],
// Runner.execute, preparation.kind, pager.next (the source reads a page and a
// mapping worker maps it), preparation.take, freezer.take (into the change set
// or to the quarantine), Runner.deliver.
//
// The package touches neither files nor network: it reaches the world through
// the interfaces that it declares.
package pipeline
