package main

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// writes reads the calls that change something.
func (p *parser) writes(k *kind, m map[string]value) {
	record := []string{"key", "marker", "club", "owner", "lead_source", dataPrefix}
	known := append([]string{"id"}, record...)
	for _, c := range []struct {
		name, method string
		allowed      []string
		keys         []string
	}{
		{callSave, "POST", known, []string{"id", "created", "changed_only"}},
		{callCreate, "POST", record, []string{"id", "created", "idempotency_header"}},
		{callUpdate, "PATCH", known, []string{"changed_only"}},
		{callDeactivate, "POST", known, nil},
		{callDelete, "DELETE", known, nil},
		{callConvert, "POST", known, []string{"id", "created"}},
		{callTransfer, "POST", known, nil},
	} {
		v := m[c.name]
		if !v.there() {
			continue
		}
		keys := v.members(callKeys(c.keys...)...)
		w := &write{
			call: p.call(keys, v, c.method, c.allowed), id: p.idPlace(keys["id"], k, c.allowed),
			created: keys["created"].number(0, 200, 299), keyHeader: keys["idempotency_header"].text(),
			changedOnly: keys["changed_only"].flag(),
		}
		for _, wrong := range w.wrong(c.name) {
			v.fault(wrong.message, wrong.hint)
		}
		k.writes[c.name] = w
	}
	if k.writes[callSave] != nil && (k.writes[callCreate] != nil || k.writes[callUpdate] != nil) {
		m[callSave].fault("one call saves, and others create or update as well", `keep "save", or "create" and "update"`)
	}
}

// converts checks that only members are converted, in one way.
func (p *parser) converts(name sdk.Kind, k *kind, m map[string]value) {
	for _, key := range []string{callConvert, "same_record"} {
		if m[key].there() && name != sdk.KindMember {
			m[key].fault("a prospect becomes a member, and this is another kind", `move it to the kind "member"`)
		}
	}
	switch {
	case name != sdk.KindMember:
	case k.sameRecord && k.writes[callConvert] != nil:
		m["same_record"].fault("a prospect is converted in two ways", `keep "convert", or "same_record": converting is then an update`)
	case k.sameRecord && k.writeFor(sdk.OpUpdate) == nil:
		m["same_record"].fault("converting is an update, and there is none", `add "update" or "save", or remove it`)
	}
}

// wrong says what a call that changes something cannot be.
func (w *write) wrong(name string) []fault {
	var all []fault
	forbid := func(is bool, message, hint string) {
		if is {
			all = append(all, fault{message: message, hint: hint})
		}
	}
	creates := name == callCreate || name == callSave
	forbid(w.keyHeader != "" && !headerName.MatchString(w.keyHeader),
		`"idempotency_header" does not name a header`, "write letters, digits and dashes")
	forbid(w.method == "GET", "a call that writes is not a GET", "write POST, PUT, PATCH or DELETE")
	forbid(w.body == nil && (creates || name == callUpdate),
		"this call sends nothing of the record", `add a body, such as  body: {"...": data}`)
	forbid(name != callCreate && !w.uses("id") && !w.uses("key") && !w.uses("marker"),
		"this call does not say which record", "put {id} into its path, query or body")
	forbid(name == callTransfer && !w.uses("club"),
		"this call does not say which club", "put {club} into its path, query or body")
	return all
}

// idPlace reads where the id of a record that was written is found.
func (p *parser) idPlace(v value, k *kind, allowed []string) idPlace {
	switch {
	case !v.there():
		return idPlace{at: k.id}
	case !v.is(yaml.ScalarNode):
	case v.node.Value == "location":
		return idPlace{location: true}
	case strings.Contains(v.node.Value, "{"):
		return idPlace{sent: v.template(allowed)}
	}
	return idPlace{at: v.pointer(k.id)}
}

// promises checks that the class is one that the calls can hold.
func (p *parser) promises(v value, k *kind, m map[string]value) {
	create := k.writeFor(sdk.OpCreate)
	class := m["class"]
	if create == nil {
		if class.there() {
			class.fault("a class is promised, and no record is created", `remove it, or add "create" or "save"`)
		}
		return
	}
	if !class.there() {
		v.fault(`the key "class" is missing`, "say what a create can be held to when its answer is lost: A, B, B', C, D, or E for nothing")
		return
	}
	for _, lack := range k.lacks(create) {
		class.fault(lack.message, lack.hint)
	}
	p.searchable(k, m)
}

// lacks says what the class rests on and the kind does not have.
func (k *kind) lacks(create *write) []fault {
	var all []fault
	need := func(ok bool, message, hint string) {
		if !ok {
			all = append(all, fault{message: message, hint: hint})
		}
	}
	switch k.class {
	case sdk.ClassA:
		need(create.keyHeader != "", "class A sends an idempotency key", `add "idempotency_header" to "create"`)
		need(k.keyTTL > 0, "class A rests on how long a key is remembered", `add "key_ttl", such as 24h`)
	case sdk.ClassB:
		ours := create.uses("key") || create.uses("marker")
		need(ours && (create.method == "PUT" || create == k.writes[callSave]),
			"class B writes under an id of ours", `use {key} or {marker} in "save", or in a "create" with method: PUT`)
	case sdk.ClassBPrime:
		need(k.unique != "" && k.findBy != nil,
			"class B' rests on a field that the service keeps unique", `add "unique" with its name, and "find_by"`)
	case sdk.ClassC:
		need(create.uses("marker") && k.find != nil && k.marker != nil,
			"class C stores a marker and finds records by it", `add "marker" with its place, {marker} to the body, and "find"`)
	case sdk.ClassD:
		need(len(k.natural) > 0 && k.findBy != nil, "class D finds people by fields", `add "natural" with their names, and "find_by"`)
	case sdk.ClassE:
	}
	return all
}

// searchable checks that records can be looked up by the fields that the class
// names.
func (p *parser) searchable(k *kind, m map[string]value) {
	if k.findBy == nil {
		return
	}
	wanted := k.findBy.wanted()
	for _, name := range append(slices.Clone(k.natural), k.unique) {
		if name != "" && !slices.Contains(wanted, name) {
			m["find_by"].fault("this call does not look for every field that \"natural\" or \"unique\" names", "put {data.NAME} of each into its query")
			return
		}
	}
}
