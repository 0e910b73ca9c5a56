package connector

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// readJSON reads a body token by token. Its members have the names of the XML's
// elements, below an object in place of the outermost element.
func readJSON(body []byte) (document, error) {
	if err := checkText(body); err != nil {
		return document{}, err
	}
	r := jsonReader{decoder: json.NewDecoder(bytes.NewReader(body))}
	r.decoder.UseNumber()
	token, err := r.next()
	if err != nil {
		return document{}, err
	}
	if token != json.Delim('{') {
		return document{}, badBody("it is no JSON object")
	}
	if err := r.object(nil); err != nil {
		return document{}, err
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		return document{}, badBody("something stands behind its JSON object")
	}
	return r.doc, nil
}

type jsonReader struct {
	decoder *json.Decoder
	doc     document
}

func (r *jsonReader) next() (json.Token, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return nil, badBody("it is no well-formed JSON")
	}
	return token, nil
}

// object reads the members of an object whose brace was read.
func (r *jsonReader) object(path []string) error {
	if len(path) >= maxDepth {
		return badBody("objects are nested deeper than %d", maxDepth)
	}
	for {
		token, err := r.next()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return nil // the closing brace: the decoder lets nothing else stand here
		}
		if token, err = r.next(); err != nil {
			return err
		}
		if err := r.member(append(path, name), token); err != nil {
			return err
		}
	}
}

// member takes a value that begins with token.
func (r *jsonReader) member(path []string, token json.Token) error {
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return r.object(path)
		}
		return r.array(path)
	case string:
		return r.doc.add(path, t)
	case json.Number:
		return r.doc.add(path, t.String())
	case bool:
		return r.doc.add(path, strconv.FormatBool(t))
	}
	return r.doc.add(path, "")
}

// array reads a list. No field is one, so that its values have names that nothing
// asks for.
func (r *jsonReader) array(path []string) error {
	if len(path) >= maxDepth {
		return badBody("lists are nested deeper than %d", maxDepth)
	}
	for {
		token, err := r.next()
		if err != nil {
			return err
		}
		if token == json.Delim(']') {
			return nil
		}
		if err := r.member(append(path, "[]"), token); err != nil {
			return err
		}
	}
}
