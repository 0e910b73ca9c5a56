package config

import (
	"maps"
	"slices"

	"github.com/rosterd/rosterd/internal/roster"
)

// checkClubs warns of clubs that have no id in a connection that a job reads or
// writes, where other clubs have one: it may be forgotten, or the system may not
// have them.
func (l *loader) checkClubs() {
	for _, id := range slices.Sorted(maps.Keys(l.cfg.Accounts)) {
		account := l.cfg.Accounts[id]
		for _, key := range slices.Sorted(maps.Keys(account.Connections)) {
			l.checkClubIDs(account, account.Connections[key])
		}
	}
}

func (l *loader) checkClubIDs(account roster.Account, c roster.Connection) {
	var without []string
	for _, club := range slices.Sorted(maps.Keys(account.Clubs)) {
		if _, ok := c.Clubs[club]; !ok {
			without = append(without, club)
		}
	}
	use := l.useOf(c.Ref)
	if len(without) == 0 || len(c.Clubs) == 0 || use == "" {
		return
	}
	at := l.cfg.connections[c.Ref].get("clubs")
	are, have := "club", " has"
	if len(without) > 1 {
		are, have = "clubs", " have"
	}
	l.warn(value{src: at.src, node: at.key}, CodeClub, listed(without, are)+have+" no id in connection "+c.Ref+use,
		"add  "+without[0]+": ID  with the id in that system, or leave it so where that system does not have the club")
}

// useOf says what a job makes of a connection, and what becomes there of a club
// without an id; empty for one that no job uses.
func (l *loader) useOf(ref string) string {
	for _, job := range l.cfg.Jobs {
		switch {
		case job.From == ref:
			return ": job " + job.Ref + " takes none of their people from there"
		case job.To == ref && job.Type == roster.JobSync:
			return ": job " + job.Ref + " refuses their people"
		}
	}
	return ""
}
