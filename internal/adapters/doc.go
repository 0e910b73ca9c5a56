// Package adapters starts adapter programs, watches them and hands out the
// abilities of the connections that they serve.
//
// A [Host] runs one process per adapter program; each process serves all its
// connections. A [Conn] outlives its process: when that died, the next call
// starts another and opens the connection again. The rules of supervision:
//
//   - An adapter has a keeper, a process of the daemon's own program, which
//     starts it in a process group of its own, without the daemon's environment
//     and privileges to gain. The keeper ends with the daemon, also when that
//     is killed, and with it the adapter and everything that the adapter
//     started, in whatever session. Only where the keeper itself is killed from
//     outside is a child of the adapter left, for the service manager's control
//     group to end.
//   - A program is opened once: the open file is compared with its pin and
//     executed. A file that was replaced meanwhile is not run.
//   - Where the kernel has Landlock, an adapter reads the system's libraries and
//     what the settings of its connections name, and writes in a folder of its
//     own; it sends no signals to others. It may still connect to Unix sockets
//     that its user may connect to, the operator's among them.
//   - It is reached over one Unix socket inside the host's own directory, with
//     certificates made for this one process.
//   - Every call has a deadline. An adapter that does not answer is asked once
//     whether it is alive, and killed when it is not. One that did not answer a
//     write is killed in any case, and its death awaited: nothing of the write
//     may be sent after the write was given up.
//   - Stopping asks politely, then kills; both are bounded.
//   - An adapter that ends again and again is started after growing pauses, and
//     after too many ends it is parked: calls fail at once until its program is
//     replaced or a person says so.
//   - A process serves all connections of its adapter: one that makes it crash
//     stops the others of that adapter too, and no other adapter.
//
// Linux only: it relies on parent-death signals, subreapers and /proc.
package adapters
