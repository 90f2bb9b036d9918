package template

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// marker stands in a place while a template is tried. It is a text that no escaping
// changes and nobody writes.
const marker = "siemfwd7place"

// settle says how each place is written, and checks the template: with a value in every
// place it must be well-formed, and no place may be where a value decides about more
// than itself.
func (s syntax) settle(parts []part) error {
	switch s {
	case jsonBody:
		return settleJSON(parts)
	case formBody:
		all(parts, form)
		return checkForm(tried(parts))
	case xmlBody:
		all(parts, xmlText)
		return checkXML(tried(parts))
	}
	all(parts, plain)
	return nil
}

func all(parts []part, m mode) {
	for i := range parts {
		parts[i].mode = m
	}
}

// tried is the template with the marker in every place.
func tried(parts []part) string {
	var b strings.Builder
	for i := range parts {
		b.WriteString(parts[i].text)
		switch {
		case i == len(parts)-1:
		case parts[i].mode == jsonValue:
			b.WriteString(`"` + marker + `"`)
		default:
			b.WriteString(marker)
		}
	}
	return b.String()
}

func settleJSON(parts []part) error {
	quoted, behind := false, false // a backslash
	for i := range parts {
		for _, c := range []byte(parts[i].text) {
			switch {
			case behind:
				behind = false
			case c == '\\':
				behind = quoted
			case c == '"':
				quoted = !quoted
			}
		}
		if behind && i < len(parts)-1 {
			return fmt.Errorf("%%%%%s%%%%: it stands behind a backslash", short(parts[i].name))
		}
		if parts[i].mode = jsonValue; quoted {
			parts[i].mode = jsonString
		}
	}
	text := tried(parts)
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("it is no JSON with values in its places: %w", noEOF(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind its end")
	}
	return checkKeys(v)
}

// noEOF says what an end that comes too early means.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

var errKey = errors.New("a place stands in a key: an event could replace another member by it")

func checkKeys(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if strings.Contains(key, marker) {
				return errKey
			}
			if err := checkKeys(value); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := checkKeys(value); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkForm(text string) error {
	if strings.ContainsAny(text, "\r\n") {
		return errors.New("a form is one line")
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("it is no form, such as title=%%name%%&text=%%message%%")
	}
	for key := range values {
		if strings.Contains(key, marker) {
			return errKey
		}
	}
	return nil
}

func checkXML(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) {
		return nil, errors.New("events are sent as UTF-8 only")
	}
	roots, depth := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("it is no XML with values in its places: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			if err := checkElement(&t); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("there is text outside of its element")
			}
		case xml.Comment:
			err = outside(string(t), "a comment")
		case xml.ProcInst:
			err = outside(t.Target+string(t.Inst), "an instruction")
		case xml.Directive:
			err = outside(string(t), "a declaration")
		}
		if err != nil {
			return err
		}
	}
	if roots != 1 {
		return fmt.Errorf("it has %d elements at the top, and not one", roots)
	}
	return nil
}

func checkElement(t *xml.StartElement) error {
	for _, a := range t.Attr {
		if err := outside(a.Name.Space+a.Name.Local, "the name of an attribute"); err != nil {
			return err
		}
		if a.Name.Local == "xmlns" || a.Name.Space == "xmlns" {
			if err := outside(a.Value, "a namespace"); err != nil {
				return err
			}
		}
	}
	return outside(t.Name.Space+t.Name.Local, "the name of an element")
}

// outside reports a place that stands where none may.
func outside(text, where string) error {
	if strings.Contains(text, marker) {
		return errors.New("a place stands in " + where + ", where nothing can be escaped")
	}
	return nil
}
