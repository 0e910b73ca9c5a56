package connector

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

// namespace is that of the interface. Elements without any are taken for its own.
const namespace = "http://www.intouchfollowup.com/api/2011-11"

// readXML reads a body token by token. Document types, processing instructions
// and entities other than XML's own five are refused: none of them is expanded.
// Elements of foreign namespaces are passed over.
func readXML(body []byte) (document, error) {
	if err := checkText(body); err != nil {
		return document{}, err
	}
	r := xmlReader{decoder: xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))}
	r.decoder.Strict = true
	for first := true; ; first = false {
		token, err := r.decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return document{}, badBody("it is no well-formed XML in UTF-8")
		}
		if err := r.take(token, first); err != nil {
			return document{}, err
		}
	}
	if !r.rooted {
		return document{}, badBody("it has no element")
	}
	return r.doc, nil
}

// xmlReader makes a document of tokens.
type xmlReader struct {
	decoder *xml.Decoder
	doc     document
	rooted  bool
	open    []xmlElement
}

// xmlElement is an element that has begun.
type xmlElement struct {
	name string
	text []byte
	// parent says that it holds elements, foreign that it is passed over.
	parent, foreign bool
}

func (r *xmlReader) take(token xml.Token, first bool) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.begin(t)
	case xml.EndElement:
		return r.end()
	case xml.CharData:
		return r.text(t)
	case xml.ProcInst:
		if t.Target != "xml" || !first {
			return badBody("it has a processing instruction")
		}
	case xml.Directive:
		return badBody("it has a document type or another directive")
	}
	return nil
}

func (r *xmlReader) begin(t xml.StartElement) error {
	foreign := t.Name.Space != "" && t.Name.Space != namespace
	switch {
	case len(r.open) >= maxDepth:
		return badBody("elements are nested deeper than %d", maxDepth)
	case len(t.Attr) > maxAttributes:
		return badBody("an element has more than %d attributes", maxAttributes)
	case len(r.open) > 0:
		parent := &r.open[len(r.open)-1]
		parent.parent, foreign = true, foreign || parent.foreign
		if !parent.foreign && len(bytes.TrimSpace(parent.text)) > 0 {
			return badBody("text and elements stand side by side")
		}
	case r.rooted:
		return badBody("it has more than one outermost element")
	case foreign:
		return badBody("its outermost element has another namespace than %s", namespace)
	default:
		r.rooted, r.doc.root = true, t.Name.Local
	}
	r.open = append(r.open, xmlElement{name: t.Name.Local, foreign: foreign})
	return nil
}

func (r *xmlReader) text(t xml.CharData) error {
	if len(r.open) == 0 {
		if len(bytes.TrimSpace(t)) > 0 {
			return badBody("text stands outside of its element")
		}
		return nil
	}
	in := &r.open[len(r.open)-1]
	if in.parent && !in.foreign && len(bytes.TrimSpace(t)) > 0 {
		return badBody("text and elements stand side by side")
	}
	in.text = append(in.text, t...)
	return nil
}

func (r *xmlReader) end() error {
	last := len(r.open) - 1
	ended := &r.open[last]
	defer func() { r.open = r.open[:last] }()
	switch {
	case ended.foreign:
		r.doc.foreign++
		return nil
	case ended.parent, last == 0:
		return nil
	}
	path := make([]string, 0, last)
	for i := range r.open[1:] {
		path = append(path, r.open[i+1].name)
	}
	return r.doc.add(path, string(ended.text))
}
