package mapping

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/yuin/gopher-lua/ast"
)

const (
	// maxTableBytes bounds a lookup table, maxTablesBytes all that a script
	// looks into: they travel to each of its workers.
	maxTableBytes  = 1 << 20
	maxTablesBytes = 4 << 20
	maxTableRows   = 50_000
	tableHint      = "a lookup table is a CSV file below scripts_dir: a line of column names, then rows; the first column is the key"
)

// lookupTable is a table by the folded keys of its first column.
type lookupTable struct {
	columns []string
	rows    map[string][]string
}

func lookupFunctions() []function {
	return []function{
		{"", "lookup", "lookup", "table, s, [default], [column]", "text", "from a CSV file below scripts_dir: of the row whose first column is s, the second column or the one named", lookUp},
	}
}

// lookUp compares keys as fold does. A row that is not there, or that has an
// empty cell, gives the default.
func lookUp(e *engine, args []value) value {
	name, ok := argument(args, 0).asText()
	if !ok {
		return badArgument(0, "text")
	}
	table := e.tables[name]
	if table == nil {
		return badArgument(0, "lookup table in quotes: cities.csv stands below scripts_dir")
	}
	key, ok := argument(args, 1).asText()
	if !ok {
		return badArgument(1, "text")
	}
	column := 1
	if named := argument(args, 3); !named.isNone() {
		if column, ok = table.column(named); !ok {
			return badArgument(3, "column of the table")
		}
	}
	if row := table.rows[fold(key)]; row != nil && row[column] != "" {
		return textValue(row[column])
	}
	return argument(args, 2)
}

func (t *lookupTable) column(named value) (int, bool) {
	name, _ := named.asText()
	for i, column := range t.columns {
		if column == name {
			return i, true
		}
	}
	return 0, false
}

// parseTable reads a table; file is its name for messages.
func parseTable(file string, source []byte) (*lookupTable, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(source, []byte("\ufeff"))))
	r.TrimLeadingSpace = true
	table := &lookupTable{rows: map[string][]string{}}
	lines := map[string]int{}
	for {
		row, err := r.Read()
		line := 0
		if len(row) > 0 {
			line, _ = r.FieldPos(0)
		}
		for i := range row {
			row[i] = trim(row[i])
		}
		switch {
		case errors.Is(err, io.EOF) && table.columns != nil:
			return table, nil
		case err != nil:
			return nil, tableError(file, err)
		case table.columns == nil && len(row) < 2:
			return nil, &ScriptError{File: file, Line: 1, Message: "a lookup table has two columns or more", Hint: tableHint}
		case table.columns == nil:
			table.columns = row
			continue
		case row[0] == "":
			continue
		case len(table.rows) == maxTableRows:
			return nil, &ScriptError{File: file, Line: line, Message: fmt.Sprintf("the table has more than %d rows", maxTableRows), Hint: "leave out what no record needs"}
		}
		key := fold(row[0])
		if before, twice := lines[key]; twice {
			return nil, &ScriptError{
				File: file, Line: line, Message: fmt.Sprintf("the key of this row stands in line %d already", before),
				Hint: "keys are compared without case, accents and the white space around them; leave one of the rows out",
			}
		}
		lines[key], table.rows[key] = line, row
	}
}

// tableError says where a file is no CSV.
func tableError(file string, err error) error {
	fault := &ScriptError{File: file, Message: "the table is empty", Hint: tableHint}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		fault.Line, fault.Column, fault.Message = parse.Line, parse.Column, "the table is no CSV: "+parse.Err.Error()
	}
	return fault
}

// tableUse is one call of lookup with a table named literally.
type tableUse struct {
	name string
	line int
}

// tableUses finds the tables that a source looks into, by function or method.
func tableUses(file string, source []byte) ([]tableUse, error) {
	chunk, err := parseScript(Script{Name: file, Source: source})
	if err != nil {
		return nil, err
	}
	var found []tableUse
	walk(chunk, func(node any) {
		call, ok := node.(*ast.FuncCallExpr)
		if !ok || len(call.Args) == 0 {
			return
		}
		name, ok := call.Args[0].(*ast.StringExpr)
		head, isName := call.Func.(*ast.IdentExpr)
		if ok && (isName && head.Value == "lookup" || call.Method == "lookup") && strings.HasSuffix(name.Value, ".csv") {
			found = append(found, tableUse{name.Value, call.Line()})
		}
	})
	return found, nil
}

// readTables reads the tables that the script and its modules look into.
func (s *Script) readTables(root *os.Root) error {
	sources := map[string][]byte{s.Name: s.Source}
	for path, source := range s.Modules {
		sources[s.moduleName(path)] = source
	}
	s.Tables = map[string][]byte{}
	size := 0
	for file, source := range sources {
		uses, err := tableUses(file, source)
		if err != nil {
			return err
		}
		for _, u := range uses {
			if _, ok := s.Tables[u.name]; ok {
				continue
			}
			table, fault := readTable(root, u.name)
			if size += len(table); fault == "" && size > maxTablesBytes {
				fault = "all tables of the script together have more than 4 MiB"
			}
			if fault != "" {
				return &ScriptError{File: file, Line: u.line, Message: path.Join(s.Dir, u.name) + ": " + fault, Hint: tableHint}
			}
			s.Tables[u.name] = table
		}
	}
	return nil
}

// readTable reads one table, or says what is wrong.
func readTable(root *os.Root, name string) (table []byte, fault string) {
	if !fs.ValidPath(name) {
		return nil, "the name leads out of scripts_dir"
	}
	table, err := readSource(root, filepath.FromSlash(name))
	switch {
	case err != nil:
		return nil, "the table cannot be read: " + readFault(err)
	case len(table) >= maxTableBytes:
		return nil, "the table has 1 MiB or more"
	}
	return table, ""
}

// loadTables makes the tables ready before the script runs.
func (e *engine) loadTables(script Script) error {
	for name, source := range script.Tables {
		table, err := parseTable(script.moduleName(name), source)
		if err != nil {
			return err
		}
		e.tables[name] = table
	}
	return nil
}
