package main

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"

	"github.com/rosterd/rosterd/internal/mapping"
)

// junitReport is the form of results that build servers read: a suite for each
// script, and in it its cases.
type junitReport struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr,omitempty"`
	Failure *junitFailure `xml:"failure"`
	Error   *junitFailure `xml:"error"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func newJunitFailure(text string) *junitFailure {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return &junitFailure{Message: first, Text: text}
}

func (r *junitReport) add(script string, results []mapping.CaseResult) {
	suite := junitSuite{Name: script, Tests: len(results)}
	for _, result := range results {
		c := junitCase{Name: result.Name, Class: script, File: result.File, Line: result.Line}
		if !result.Passed() {
			suite.Failures++
			c.Failure = newJunitFailure(result.Failure)
		}
		suite.Cases = append(suite.Cases, c)
	}
	r.Suites = append(r.Suites, suite)
}

// addFaulty adds a script that cannot run, as one case in error.
func (r *junitReport) addFaulty(script string, findings []mapping.Finding) {
	var b strings.Builder
	for _, f := range findings {
		if f.Severity == mapping.SeverityError {
			fmt.Fprintln(&b, f)
		}
	}
	r.Suites = append(r.Suites, junitSuite{Name: script, Tests: 1, Errors: 1, Cases: []junitCase{
		{Name: "check", Class: script, File: script, Error: newJunitFailure(b.String())},
	}})
}

func (r *junitReport) write(path string) error {
	text, err := xml.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the results as XML: %w", err)
	}
	if err := os.WriteFile(path, append([]byte(xml.Header), append(text, '\n')...), 0o644); err != nil { //nolint:gosec // Build servers run as another user.
		return fmt.Errorf("write the results as XML: %w", err)
	}
	return nil
}
