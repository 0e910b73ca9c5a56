// Package mapping runs mapping scripts: Lua that turns a source record into a
// target record, or says why there is none.
//
// # A script
//
// A script defines one function and is loaded once:
//
//	function map(record, context)
//	  if record.status == "deleted" then skip("deleted in the source") end
//	  return {
//	    first_name = text.title(record.first),
//	    phone      = phone.e164(record.mobile) or phone.e164(record.home_phone),
//	  }
//	end
//
// record reads the fields of the source record by their names. A field that the
// record does not have is nil; one that is empty by intent is the constant null,
// which counts as true in a condition. Numbers arrive as text, so that no digit
// of an id or an amount is lost (tonumber makes a number of one); objects and
// arrays arrive as tables. record.id is the record's id in the source and
// record.club the account's key of its club, unless the source has columns of
// these names: a column wins. pairs(record) walks the fields in the source's
// order. The record cannot be written.
//
// context has account, job, kind, country, timezone and clubs (by key, each
// with key, id, name, country, timezone).
//
// map returns a table of target fields: text, whole or fractional numbers,
// true, false, null; a nil leaves the field out. The field that identifies the
// record at the target (external_id for an import) is the source id where the
// script leaves it out. "return nil, reason" and skip(reason) want no record;
// reject(reason) puts it into quarantine. skip and reject end the call at once.
// Reasons are kept in clear and shown to operators: they are cut to 200
// characters and must not hold personal data.
//
// A job with "upload: multi" imports clients with several matters. There the
// field matters is a list of tables, at most 50, each with a name that no other
// matter of the client has:
//
//	matters = { { name = "Gold membership", plan = "gold" }, { name = "Locker 12" } }
//
// With "upload: single" such a list is refused. Among the fields of a page those
// of matters stand as matters[].plan.
//
// A function cannot assign to a global, and an unknown name is an error when
// the script is loaded. Local variables outside of map keep their values as
// long as the state lives, but which records share a state is not defined.
//
// # The library
//
// Beside the harmless part of Lua's base, string, table and math libraries:
// functions for text, names, e-mail addresses, phone numbers, dates, addresses,
// countries and states, money, lists, RE2 patterns and lookup tables. They stand
// in one table in the code, functions; docs/mapping.md lists them.
//
// They share one rule: nothing in (nil, null, a blank text, something that is no
// address, number or date) is nil out, so that an empty cell leaves the target
// field out. Lua's own string functions work on bytes; the helpers know Unicode.
//
// string.find, match, gmatch and gsub know Lua's patterns, but give up with an
// error where a pattern takes too many steps: 2^20 and 32 for each byte of the
// text in one call, 2^24 in all calls for one record. No library function makes
// a text longer than 1 MiB.
//
// # Modules
//
// require("lib.phones") is the table that lib/phones.lua below scripts_dir
// returns. A module runs once, before the script, under the same rules, and has
// no globals of its own; nothing can be assigned to what it returns. A name
// stands in quotes in the call, because the files are read before the script is
// loaded: workers read none.
//
// # Workers
//
// Scripts run in worker processes, because a library call inside the engine can
// be neither interrupted nor bounded in memory from inside. A worker belongs to
// one loaded script and has no environment. Where the kernel has Landlock, the
// thread that starts it lets it through to the program itself and to what a
// start needs; the worker then limits itself (see
// docs/adr/0003-worker-memory-limit.md), so that it opens nothing any more, and
// publishes the row at hand in shared memory. A watchdog kills one whose row
// does not advance; that record is rejected, and the rest of the page is mapped
// again without it. Pages cross the pipe packed as they are: the calling process
// opens no record but those that a worker was killed on.
//
// What a script raises may hold values of a record, so errors are shown in the
// engine's own words, with names only where they stand in the script.
//
// # Cases
//
// Beside x.lua, x.txtar holds its cases. Text before the first marker is a
// comment. An optional section context.json applies to all cases; a case is a
// record and what is expected of it. With "upload": "multi" in the context
// clients may have matters, which then stand under the names that scripts use:
//
//	-- context.json --
//	{"country": "CA", "clubs": {"1": {"key": "downtown", "country": "CA"}}}
//	-- upper-case name/in.json --
//	{"@id": "17", "@club": "1", "first": "ANN", "last": "O'NEIL"}
//	-- upper-case name/out.json --
//	{"first_name": "Ann", "last_name": "O'Neil"}
//	-- deleted member/in.json --
//	{"@club": "1", "first": "Ann", "status": "deleted"}
//	-- deleted member/skip --
//	deleted in the source
//
// The third form is NAME/reject. The text of skip and reject is the reason or
// the code expected; empty accepts any. out.json lists all fields, but for the
// identifying one, which is compared only where it is listed.
package mapping
