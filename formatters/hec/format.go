package hec

import (
	"fmt"
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Options says what stands around the events of a sink. In Source, SourceType and Index
// the words {source}, {vendor}, {product}, {class} and {category} stand for the event's
// own; in SourceType and Index they are written in lower case with "_" for everything
// but ASCII letters, digits and "-".
type Options struct {
	Source     string // "" is siemfwd:{source}
	SourceType string // "": the token's
	Index      string // "": the token's
	Host       string // for records that name none
	FixedHost  string // instead of the record's
	// JSON says that events are JSON and stand as they are; others stand as a string.
	JSON bool
	// Bare leaves out the indexed fields event_id, vendor and severity.
	Bare bool
}

// inner renders the event itself.
type inner interface {
	Append(dst []byte, r *record.Record) ([]byte, error)
}

// Formatter renders records as envelopes around another format's. It may be used by any
// number of goroutines.
type Formatter struct {
	inner                     inner
	source, sourceType, index words
	host, fixed               []byte
	json, bare                bool
}

// New checks o and returns a Formatter around what inner renders.
func New(inner inner, o Options) (*Formatter, error) {
	if o.Source == "" {
		o.Source = "siemfwd:{source}"
	}
	f := &Formatter{inner: inner, host: []byte(o.Host), fixed: []byte(o.FixedHost), json: o.JSON, bare: o.Bare}
	var err error
	for _, w := range []struct {
		key, text string
		into      *words
		tidy      bool
	}{{"source", o.Source, &f.source, false}, {"sourcetype", o.SourceType, &f.sourceType, true}, {"index", o.Index, &f.index, true}} {
		if *w.into, err = parse(w.text, w.tidy); err != nil {
			return nil, fmt.Errorf("%s: %w", w.key, err)
		}
	}
	return f, nil
}

// Append appends the envelope of r. It fails where the inner format does, and for an
// event without text; dst is then as it was.
func (f *Formatter) Append(dst []byte, r *record.Record) ([]byte, error) {
	base := len(dst)
	dst = appendTime(append(dst, '{'), r.When())
	host := r.Host
	switch {
	case len(f.fixed) > 0:
		host = f.fixed
	case len(host) == 0:
		host = f.host
	}
	dst = appendText(dst, `"host":"`, host)
	dst = f.source.append(dst, `"source":"`, r)
	dst = f.sourceType.append(dst, `"sourcetype":"`, r)
	dst = f.index.append(dst, `"index":"`, r)
	dst = append(dst, `"event":`...)
	at := len(dst)
	dst, err := f.inner.Append(dst, r)
	if err != nil {
		return dst[:base], err
	}
	end := len(dst)
	if blank(dst[at:end]) {
		return dst[:base], ErrBlank
	}
	if !f.json {
		// The string is written behind the text it is made of, and then moved there.
		dst = text.AppendJSON(dst, `"`, dst[at:end])
		dst = append(dst[:at], dst[end:]...)
	}
	if !f.bare {
		dst = append(r.AppendUID(append(dst, `,"fields":{"event_id":"`...)), '"')
		if len(r.Vendor) > 0 {
			dst = text.AppendJSON(dst, `,"vendor":"`, r.Vendor)
		}
		dst = append(dst, `,"severity":"`...)
		dst = append(appendInt(dst, int64(min(max(r.Severity, 0), 10))), '"', '}')
	}
	return append(dst, '}'), nil
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
