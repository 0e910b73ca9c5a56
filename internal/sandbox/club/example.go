package club

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed club.rest.yaml
var exampleText string

// Example is how the adapter rest speaks to the platform at an address, as
// people would write it. It contains no secret.
func (p *Platform) Example(address string) (string, error) {
	t, err := template.New("club.rest.yaml").Funcs(template.FuncMap{
		"has":   func(k Kind, call string) bool { return p.has[callName(k, Call(call))] },
		"lower": strings.ToLower,
	}).Parse(exampleText)
	if err != nil {
		return "", fmt.Errorf("read the example: %w", err)
	}
	type kind struct {
		Kind   Kind
		Path   string
		Person bool
	}
	var kinds []kind
	for _, k := range Kinds() {
		kinds = append(kinds, kind{k, k.path(), k.isPerson()})
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		Options
		Address string
		Token   bool
		Kinds   []kind
	}{p.opts, address, p.opts.Token != "", kinds})
	if err != nil {
		return "", fmt.Errorf("write the example: %w", err)
	}
	return b.String(), nil
}
