package config

import (
	"maps"
	"regexp"
	"slices"
	"time"

	"golang.org/x/text/language"

	"github.com/rosterd/rosterd/internal/roster"
)

// readAccounts reads the accounts of every file. Nothing is shared between
// accounts, so one key in two files is a mistake.
func (l *loader) readAccounts(roots []value) {
	l.cfg.Accounts = map[string]roster.Account{}
	first := map[string]value{}
	for _, root := range roots {
		for id, v := range l.named(root.get("accounts")) {
			if other, ok := first[id]; ok {
				l.fault(value{src: v.src, node: v.key}, CodeDuplicate, "account "+quote(id)+" stands here a second time, first in "+other.src.name, "remove one of the two, or rename it")
				continue
			}
			first[id] = v
			l.readAccount(id, v)
		}
	}
	slices.SortStableFunc(l.cfg.Jobs, byRef)
}

func (l *loader) readAccount(id string, v value) {
	account := roster.Account{
		ID: id, Name: v.get("name").textOr(id),
		Country: l.country(v.get("country"), ""), Timezone: l.timezone(v.get("timezone"), "UTC"),
		Clubs: map[string]roster.Club{}, Connections: map[string]roster.Connection{},
	}
	for key, club := range l.named(v.get("clubs")) {
		account.Clubs[key] = roster.Club{
			Name:     club.get("name").textOr(key),
			Country:  l.country(club.get("country"), account.Country),
			Timezone: l.timezone(club.get("timezone"), account.Timezone),
		}
	}
	for key, connection := range l.named(v.get("connections")) {
		account.Connections[key] = l.readConnection(account, key, connection)
	}
	l.cfg.Accounts[id], l.cfg.accounts[id] = account, v
	for key, job := range l.named(v.get("jobs")) {
		l.cfg.Jobs = append(l.cfg.Jobs, l.readJob(account, key, job))
	}
}

// keyForm is the form of the keys that name accounts, clubs, connections and
// jobs: they stand in addresses and commands. The schema tells it to editors.
var keyForm = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*$`)

const maxKey = 64

// named walks over a mapping whose keys are names, and checks those.
func (l *loader) named(v value) func(yield func(string, value) bool) {
	for name, entry := range v.entries() {
		if problem, hint := CheckKey(name); problem != "" {
			l.fault(value{src: entry.src, node: entry.key}, CodeName, problem, hint)
		}
	}
	return v.entries()
}

// CheckKey says what is wrong with the key of an account, a club, a connection or a
// job, and what to do; both are empty where nothing is.
func CheckKey(text string) (problem, hint string) {
	if !keyForm.MatchString(text) || len(text) > maxKey {
		return quote(text) + " is no name", hintName
	}
	return "", ""
}

func (l *loader) country(v value, otherwise string) string {
	text, ok := v.text()
	if !ok {
		return otherwise
	}
	if problem, hint := CheckCountry(text); problem != "" {
		l.fault(v, CodeCountry, problem, hint)
		return otherwise
	}
	return text
}

// CheckCountry says what is wrong with the code of a country, and what to do; both
// are empty where nothing is.
func CheckCountry(text string) (problem, hint string) {
	region, err := language.ParseRegion(text)
	switch {
	case len(text) != 2 || err != nil || !region.IsCountry():
		return quote(text) + " is no country", "write the two letters of ISO 3166-1, such as CA or GB"
	case region.Canonicalize().String() != text:
		return quote(text) + " is not how ISO 3166-1 writes the country", "write " + region.Canonicalize().String()
	}
	return "", ""
}

func (l *loader) timezone(v value, otherwise string) string {
	text, ok := v.text()
	if !ok {
		return otherwise
	}
	if problem, hint := CheckTimezone(text); problem != "" {
		l.fault(v, CodeTimezone, problem, hint)
		return otherwise
	}
	return text
}

// CheckTimezone says what is wrong with the name of a time zone, and what to do;
// both are empty where nothing is.
func CheckTimezone(text string) (problem, hint string) {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" || text == "" {
		return quote(text) + " is no time zone", "write an IANA zone, such as America/Toronto or Europe/London, with its capitals"
	}
	return "", ""
}

func (l *loader) readConnection(account roster.Account, key string, v value) roster.Connection {
	ref := account.ID + "/" + key
	l.cfg.connections[ref] = v
	l.checkReceiver(ref, v)
	return roster.Connection{
		Ref: ref, Adapter: v.get("adapter").textOr(""), ClientID: v.get("client_id").textOr(""),
		Clubs: l.readClubIDs(account, v.get("clubs")), Settings: l.settings(v.get("settings")),
		SettleMargin: l.duration(v.get("settle_margin"), 2*time.Second, time.Millisecond, time.Hour),
		Concurrency:  v.get("concurrency").intOr(defaultUsers),
	}
}

func (l *loader) readClubIDs(account roster.Account, v value) map[string]string {
	ids, first := map[string]string{}, map[string]string{}
	for club, at := range v.entries() {
		if _, ok := account.Clubs[club]; !ok {
			l.fault(value{src: at.src, node: at.key}, CodeClub, quote(club)+" is no club of account "+quote(account.ID), hintOf(club, account.Clubs, "the clubs are"))
			continue
		}
		id, ok := at.text()
		if !ok {
			continue
		}
		if other, ok := first[id]; ok {
			l.fault(at, CodeClub, "the clubs "+quote(other)+" and "+quote(club)+" have the same id", "give each club its own id in that system")
			continue
		}
		first[id], ids[club] = club, id
	}
	return ids
}

// hintOf proposes the closest of the names that there are, or lists them.
func hintOf[V any](word string, names map[string]V, are string) string {
	known := slices.Sorted(maps.Keys(names))
	if meant, ok := closest(word, known); ok {
		return "did you mean " + quote(meant) + "?"
	}
	return listed(known, are)
}
