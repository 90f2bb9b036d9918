// Package template writes records into a text that a configuration gives, with places for
// the event's values: %%severity%%, %%user.name%%, %%fields.NAME%%, %%uid%%, and %%event%%
// for all of it in the sink's format. %%%% stands for two percent signs.
//
// Every value is escaped for what it stands in, so that none can end its place: no value
// makes a second member, parameter, element or event.
package template

import (
	"errors"
	"fmt"
	"mime"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Kind is what the values of a place are.
type Kind uint8

// The kinds of places.
const (
	Text   Kind = iota
	Number      // a number, or nothing
	Any         // it shows when the event is there
	Event       // all of the event, in the sink's format
)

// Place is what a name between percent signs stands for.
type Place struct {
	Kind Kind
	// Of returns the value; nothing when the event has none. It may take from the record's
	// scratch. Nil for Event.
	Of func(r *record.Record) []byte
}

// inner renders all of an event.
type inner interface {
	Append(dst []byte, r *record.Record) ([]byte, error)
}

// Options are what a template is made of.
type Options struct {
	Text        string
	ContentType string // says how values are escaped; "" is application/json
	// JSON says that the event's own format is JSON, which may stand unquoted in JSON.
	JSON bool
	// Lookup says what a name stands for.
	Lookup func(name string) (Place, error)
}

// Formatter renders records into a template. It may be used by any number of goroutines.
type Formatter struct {
	inner inner
	parts []part
	json  bool
}

// part is text, followed by a place unless it is the last.
type part struct {
	text  string
	place Place
	mode  mode
	name  string
}

// syntax is what a body is written in.
type syntax uint8

const (
	jsonBody syntax = iota
	formBody
	xmlBody
	plainBody
)

// syntaxOf tells by its content type what a body is written in.
func syntaxOf(contentType string) (syntax, error) {
	if contentType == "" {
		return jsonBody, nil
	}
	t, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return 0, errors.New("it is no media type")
	case t == "application/json", strings.HasSuffix(t, "+json"):
		return jsonBody, nil
	case t == "application/x-www-form-urlencoded":
		return formBody, nil
	case t == "application/xml", t == "text/xml", strings.HasSuffix(t, "+xml"):
		return xmlBody, nil
	case t == "text/plain":
		return plainBody, nil
	}
	return 0, fmt.Errorf("nobody knows how values are escaped in %s", t)
}

// ContentTypes are those that values can be escaped for, for people.
const ContentTypes = "application/json, application/x-www-form-urlencoded, application/xml or text/plain"

// CheckContentType tells what is wrong with a content type; nil: nothing.
func CheckContentType(contentType string) error {
	_, err := syntaxOf(contentType)
	return err
}

// New checks a template and returns a Formatter around what inner renders.
func New(inner inner, o Options) (*Formatter, error) {
	s, err := syntaxOf(o.ContentType)
	if err != nil {
		return nil, fmt.Errorf("content type: %w", err)
	}
	parts, err := split(o.Text, o.Lookup)
	if err != nil {
		return nil, err
	}
	f := &Formatter{inner: inner, parts: parts, json: o.JSON}
	if err := s.settle(f.parts); err != nil {
		return nil, err
	}
	return f, nil
}

const fence = "%%"

// split takes a template apart.
func split(text string, lookup func(name string) (Place, error)) (parts []part, err error) {
	var literal strings.Builder
	for {
		before, rest, found := strings.Cut(text, fence)
		literal.WriteString(before)
		if !found {
			return append(parts, part{text: literal.String()}), nil
		}
		name, behind, closed := strings.Cut(rest, fence)
		switch {
		case !closed:
			return nil, fmt.Errorf("%%%%%s: the place is not closed by another %%%%", short(rest))
		case name == "":
			literal.WriteString(fence)
		default:
			name = strings.TrimSpace(name)
			p, err := lookup(name)
			if err != nil {
				return nil, fmt.Errorf("%%%%%s%%%%: %w", short(name), err)
			}
			parts = append(parts, part{text: literal.String(), place: p, name: name})
			literal.Reset()
		}
		text = behind
	}
}

// short is a text as it can stand in a message.
func short(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "…"
	}
	return text
}

// Append appends the template with the values of r. It fails where the event's format does,
// if all of the event is in the template; dst is then as it was.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	base := len(dst)
	for i := range f.parts {
		p := &f.parts[i]
		dst = append(dst, p.text...)
		if i == len(f.parts)-1 {
			break
		}
		if p.place.Kind != Event {
			dst = p.mode.append(dst, p.place.Of(r), p.place.Kind)
			continue
		}
		// What the event becomes is written behind the event, and then moved there.
		at := len(dst)
		out, err := f.inner.Append(dst, r)
		if err != nil {
			return dst[:base], err
		}
		if dst = out; p.mode == jsonValue && f.json {
			continue
		}
		end := len(dst)
		dst = p.mode.append(dst, dst[at:end], Text)
		dst = append(dst[:at], dst[end:]...)
	}
	return dst, nil
}
