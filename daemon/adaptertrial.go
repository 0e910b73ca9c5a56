package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rosterd/rosterd/plugins/sdk"
	"github.com/rosterd/rosterd/plugins/sdk/sdktest"
)

// trialNumber stands in a trial record for a number that no other one has.
const trialNumber = "{n}"

// trialRecords say what the records look like that a check of an adapter
// writes.
type trialRecords struct {
	Kind       string         `yaml:"kind"`
	Record     map[string]any `yaml:"record"`
	Bad        any            `yaml:"bad"`
	Member     map[string]any `yaml:"member"`
	Club       string         `yaml:"club"`
	Owner      string         `yaml:"owner"`
	LeadSource string         `yaml:"lead_source"`
	OtherClub  string         `yaml:"other_club"`
}

// writing is what the suite needs of them. The numbers begin at the time, so
// that a run does not meet the records of an earlier one.
func (r *trialRecords) writing() (*sdktest.Writing, error) {
	if r == nil {
		return nil, errors.New("--write needs the key write, which says what records look like: kind, record, bad")
	}
	record, err := json.Marshal(r.Record)
	switch {
	case err != nil:
		return nil, fmt.Errorf("write.record: %w", err)
	case !sdk.Kind(r.Kind).Valid():
		return nil, fmt.Errorf("write.kind: %q is none of %q", r.Kind, sdk.Kinds())
	case !strings.Contains(string(record), trialNumber):
		return nil, fmt.Errorf("write.record: no value holds %s, so that all records would be the same", trialNumber)
	}
	w := &sdktest.Writing{
		Kind: sdk.Kind(r.Kind), Base: int(time.Now().UnixMilli()), Club: r.Club, Owner: r.Owner, LeadSource: r.LeadSource,
		OtherClub: r.OtherClub, Record: numbered(record),
	}
	if r.Member != nil {
		member, err := json.Marshal(r.Member)
		if err != nil {
			return nil, fmt.Errorf("write.member: %w", err)
		}
		w.Member = numbered(member)
	}
	if r.Bad != nil {
		if w.Bad, err = json.Marshal(r.Bad); err != nil {
			return nil, fmt.Errorf("write.bad: %w", err)
		}
	}
	return w, nil
}

// numbered puts a number into a record.
func numbered(record []byte) func(n int) json.RawMessage {
	return func(n int) json.RawMessage {
		return json.RawMessage(strings.ReplaceAll(string(record), trialNumber, strconv.Itoa(n)))
	}
}
