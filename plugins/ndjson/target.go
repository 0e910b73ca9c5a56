package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/rosterd/rosterd/plugins/sdk"
)

// batch is how many operations one write appends.
const batch = 2000

// maxKeyBytes bounds a key, which is the id of the record that it creates.
const maxKeyBytes = 1 << 10

// busyWait is how long to wait for another program that writes to the file.
const busyWait = time.Second

var _ sdk.Target = (*connection)(nil)

// Abilities implements [sdk.Limited]: a connection reads the file of path and
// writes that of write.
func (c *connection) Abilities() []sdk.Ability {
	abilities := []sdk.Ability{sdk.AbilityChecker}
	if c.settings.Path != "" {
		abilities = append(abilities, sdk.AbilitySource)
	}
	if c.settings.Write != "" {
		abilities = append(abilities, sdk.AbilityTarget)
	}
	return abilities
}

// Target implements [sdk.Target]. A line is appended or it is not, and the last
// line of a key counts: a create that is sent again changes nothing.
func (c *connection) Target(context.Context) (sdk.TargetInfo, error) {
	var info sdk.TargetInfo
	for _, kind := range sdk.Kinds() {
		info.Kinds = append(info.Kinds, sdk.TargetKind{
			Kind: kind, Writes: []sdk.Op{sdk.OpCreate, sdk.OpUpdate, sdk.OpDeactivate, sdk.OpDelete},
			Class: sdk.ClassB, Update: sdk.UpdateReplace, Batch: batch,
		})
	}
	return info, nil
}

// Write implements [sdk.Target]: it appends a line for each operation, all with
// one write, and returns when they are on the disk.
func (c *connection) Write(ctx context.Context, req sdk.WriteRequest) (sdk.WriteResponse, error) {
	res := sdk.WriteResponse{Results: make([]sdk.Result, len(req.Operations))}
	switch {
	case sdk.ReadOnly(ctx):
		every(res.Results, refusal(sdk.ClassFail, sdk.CodeConfig, "nothing may be written by this call"))
		return res, nil
	case ctx.Err() != nil:
		every(res.Results, refusal(sdk.ClassRetry, sdk.CodeUnavailable, "the call was over before the file was written to"))
		return res, nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	text, taken := c.text[:0], 0
	for i := range req.Operations {
		op := &req.Operations[i]
		if fault := unfit(op); fault != "" {
			res.Results[i] = refusal(sdk.ClassReject, sdk.CodeData, fault)
			continue
		}
		taken++
		text = appendLine(text, req.Kind, op)
		res.Results[i] = sdk.Result{Outcome: sdk.OutcomeOK, ID: op.ID}
		if op.Op == sdk.OpCreate {
			res.Results[i].ID = op.Key
		}
	}
	if cap(text) <= 4*chunkBytes {
		c.text = text
	}
	if taken == 0 {
		return res, nil
	}
	if failed, err := appendLines(c.settings.Write, text); err != nil {
		failed.Detail = fmt.Sprintf("write to %s: %v", filepath.Base(c.settings.Write), cause(err))
		if errors.Is(err, syscall.EROFS) {
			failed.Detail += "; a service writes only where ReadWritePaths= of its unit lets it"
		}
		for i := range res.Results {
			if res.Results[i].Outcome == sdk.OutcomeOK {
				res.Results[i] = failed
			}
		}
	}
	return res, nil
}

func every(results []sdk.Result, with sdk.Result) {
	for i := range results {
		results[i] = with
	}
}

func refusal(class sdk.Class, code sdk.Code, detail string) sdk.Result {
	return sdk.Result{Outcome: sdk.OutcomeRefused, Class: class, Code: code, Detail: detail}
}

// unfit says why an operation cannot be a line. What rosterd sends is JSON; that
// is not checked again, only made to be one line.
func unfit(op *sdk.Operation) string {
	switch op.Op {
	case sdk.OpCreate, sdk.OpUpdate:
		if !oneObject(op) {
			return "the record is not a JSON object"
		}
	case sdk.OpDeactivate, sdk.OpDelete:
		if len(op.Data) > 0 && !oneObject(op) {
			return "the record is not a JSON object"
		}
	default:
		return "the operation is none of create, update, deactivate and delete"
	}
	switch {
	case op.Op == sdk.OpCreate && (op.Key == "" || len(op.Key) > maxKeyBytes):
		return "the record has no key, or one of more than 1 KiB, to be its id"
	case op.Op != sdk.OpCreate && op.ID == "":
		return "the record to change has no id"
	}
	return ""
}

// oneObject makes the data of an operation one line, and reports whether it
// looks like an object.
func oneObject(op *sdk.Operation) bool {
	if bytes.IndexByte(op.Data, '\n') >= 0 {
		var line bytes.Buffer
		if json.Compact(&line, op.Data) != nil {
			return false
		}
		op.Data = line.Bytes()
	}
	n := len(op.Data)
	return n >= 2 && op.Data[0] == '{' && op.Data[n-1] == '}'
}

func appendLine(b []byte, kind sdk.Kind, op *sdk.Operation) []byte {
	b = append(b, `{"op":"`...)
	b = append(b, op.Op...)
	b = append(b, `","kind":"`...)
	b = append(b, kind...)
	b = append(b, '"')
	id := op.ID
	if op.Op == sdk.OpCreate {
		id = op.Key
	}
	for _, m := range [...]struct{ name, value string }{
		{`,"key":`, op.Key}, {`,"id":`, id}, {`,"club":`, op.Club}, {`,"owner":`, op.Owner}, {`,"lead_source":`, op.LeadSource},
	} {
		if m.value != "" {
			b = appendString(append(b, m.name...), m.value)
		}
	}
	if len(op.Data) > 0 {
		b = append(b, `,"data":`...)
		b = append(b, op.Data...)
	}
	return append(b, "}\n"...)
}

// appendString appends a JSON string. Most ids and keys need no escape.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // A string always can be.
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// checkWrite makes sure that the file, or the folder in which it will be made,
// can be written to, and changes nothing.
func (c *connection) checkWrite() error {
	if err := writable(c.settings.Write); err != nil {
		return sdk.Fail(sdk.CodeConfig, fmt.Errorf("write to %s: %w; check the setting write and the permissions of the user that rosterd runs as",
			c.settings.Write, cause(err)))
	}
	return nil
}

// errBusy says that another program holds the file.
var errBusy = errors.New("another program writes to it")
