// Package adapters starts adapter programs, watches them and hands out the
// abilities of the connections that they serve.
//
// A [Host] runs one process per adapter program; each process serves all its
// connections. A [Conn] outlives its process: when that died, the next call
// starts another and opens the connection again. The rules of supervision:
//
//   - An adapter is started in a process group of its own, without the daemon's
//     environment, and dies with the daemon (Pdeathsig).
//   - It is reached over one Unix socket inside the host's own directory, with
//     certificates made for this one process.
//   - Every call has a deadline. An adapter that does not answer is asked once
//     whether it is alive, and killed when it is not.
//   - Stopping asks politely, then kills the process group; both are bounded.
//   - An adapter that ends again and again is started after growing pauses.
//
// Linux only: it relies on parent-death signals and on waitid.
package adapters
