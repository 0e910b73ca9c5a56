package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// clubList is the call that lists the clubs of the service.
type clubList struct {
	list
	id, name *pointer
}

// clubList reads that call. It asks for all clubs, so there is no {club} in it.
func (p *parser) clubList(v value) *clubList {
	m := v.members(callKeys("items", "paging", "id", "name")...)
	id, name := pointer{"id"}, pointer{"name"}
	c := &clubList{id: m["id"].pointer(&id), name: m["name"].pointer(&name)}
	c.list = list{call: p.call(m, v, "GET", []string{"page", "size"}), items: *m["items"].pointer(&pointer{})}
	c.paging = p.paging(m["paging"], &c.call)
	return c
}

var errClub = errors.New(`a club has no id where "id" points`)

// ListClubs implements [sdk.ClubLister].
func (c *connection) ListClubs(ctx context.Context) ([]sdk.Club, error) {
	l := c.spec.clubs
	if l == nil {
		return nil, sdk.Fail(sdk.CodeConfig, errors.New("the file has no call to list clubs"))
	}
	var all []sdk.Club
	nameless := false
	err := c.each(ctx, &l.list, c.scope(nil, nil), func(item any, _ string) bool {
		club := sdk.Club{ID: l.id.text(item), Name: l.name.text(item)}
		nameless = nameless || club.ID == ""
		all = append(all, club)
		return !nameless
	})
	if err == nil && nameless {
		err = sdk.Fail(sdk.CodeConfig, fmt.Errorf("%s %s: %w", l.method, l.shown(), errClub))
	}
	return once(all, func(one sdk.Club) string { return one.ID }), err
}
