package formatters

import (
	"fmt"

	"github.com/siemfwd/siemfwd/formatters/template"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// Template is a body that a configuration gives, with %%places%% for the event's values.
type Template struct {
	Text        string
	ContentType string // says how values are escaped; "" is application/json
}

// CheckTemplate tells what is wrong with a template; nil: nothing. field is "text" or
// "content_type", whichever it is that is wrong.
func CheckTemplate(t Template) (field string, err error) {
	if err := template.CheckContentType(t.ContentType); err != nil {
		return "content_type", fmt.Errorf("%w; %s are known", err, template.ContentTypes)
	}
	_, err = template.New(nil, template.Options{Text: t.Text, ContentType: t.ContentType, Lookup: lookup})
	return "text", err
}

func filled(inner Formatter, o Options, object bool) (Formatter, error) {
	f, err := template.New(inner, template.Options{
		Text: o.Template.Text, ContentType: o.Template.ContentType, Lookup: lookup,
		JSON: object && (o.Header == "" || o.Header == NoHeader),
	})
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return f, nil
}

// lookup finds what a place of a template stands for.
func lookup(name string) (template.Place, error) {
	switch name {
	case "event":
		return template.Place{Kind: template.Event}, nil
	case "uid":
		return template.Place{Of: func(r *record.Record) []byte { return r.End(r.AppendUID(r.Begin(64))) }}, nil
	}
	p, err := when.ParsePath(name)
	if err != nil {
		return template.Place{}, err
	}
	place := template.Place{Of: p.Text}
	switch p.Type() {
	case when.Number:
		place.Kind = template.Number
	case when.Any:
		place.Kind = template.Any
	}
	return place, nil
}
