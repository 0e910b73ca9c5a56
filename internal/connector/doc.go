// Package connector receives what other systems push: people, staff and lead
// sources, in the form of the InTouch Connector's API of 2011-11 (XML) and in
// JSON with the same names.
//
// A sender speaks in its own ids: provider, client, club and record. What it saves
// is stored before it is answered, and waits in the store until every job that
// reads the connection has read it ([Source]). The id in the answer is derived
// from the sender's ids and addresses nothing.
//
// Senders are strangers until they have named a secret of the connection that
// they address; everything that is wrong with who they are is answered with the
// same 401. Requests are bounded in size, depth and rate before anything is made
// of them.
package connector
