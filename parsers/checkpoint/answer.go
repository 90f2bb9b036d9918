package checkpoint

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// answer is what the API says: events, or why there are none. Its slices point into the
// body.
type answer struct {
	code   int    // in the envelope; 0 when there is none
	reason []byte // for people; nil when there is none
	scroll []byte // the JSON value of scrollId; nil when there is none
	total  int    // events of the whole query, where the API counts them
	data   []byte // the JSON value of responseData; nil when there is none
}

var errNoAnswer = errors.New("answer has neither responseEnvelope nor responseData")

// readAnswer reads {"responseEnvelope": {…}, "responseData": …}.
func readAnswer(body []byte) (a answer, err error) {
	m := kit.Members(body)
	var envelope []byte
	for m.Next() {
		switch {
		case m.Is("responseEnvelope"):
			envelope = m.Value
		case m.Is("responseData"):
			a.data = m.Value
		}
	}
	if err := m.Err(); err != nil {
		return a, err
	}
	if envelope == nil && a.data == nil {
		return a, errNoAnswer
	}
	var text, more []byte
	for m := kit.Members(envelope); m.Next(); {
		switch {
		case m.Is("responseCode"):
			a.code = number(m.Value)
		case m.Is("responseText"), m.Is("responseTest"): // the vendor writes both
			if said := textOf(m.Value); len(said) > 0 {
				text = said
			}
		case m.Is("additionalText"):
			more = textOf(m.Value)
		case m.Is("scrollId"):
			if len(textOf(m.Value)) > 0 {
				a.scroll = m.Value
			}
		case m.Is("totalRecordsNumber"):
			a.total = max(0, number(m.Value))
		}
	}
	if a.reason = text; len(more) > 0 {
		a.reason = append(append(append([]byte{}, text...), ' '), more...)
	}
	return a, nil
}

// number reads a whole number, which may stand in quotes; 0 is anything else.
func number(value []byte) int {
	n, _ := strconv.Atoi(string(textOf(value)))
	return n
}

// textOf is the text of a scalar; nil of null, lists and objects.
func textOf(value []byte) []byte {
	return kit.AppendUnquoted(nil, value)
}

// failure is the error that an envelope with a bad code means, which comes with status
// 200. scrolled is whether the request went on from an earlier page.
func (a *answer) failure(scrolled bool) error {
	if a.code == 0 || a.code == http.StatusOK {
		return nil
	}
	// What stands behind a status is the text as one line.
	reason := "responseCode " + strconv.Itoa(a.code) + strings.TrimPrefix(kit.StatusText(0, a.reason), "000")
	switch {
	case a.code == http.StatusUnauthorized, a.code == http.StatusForbidden:
		return &kit.Denied{Reason: reason}
	case a.code == http.StatusTooManyRequests:
		return &kit.Throttled{Reason: reason}
	case a.code == http.StatusBadRequest && scrolled:
		return &kit.Stale{Reason: reason}
	case a.code >= 500 && a.code <= 599:
		return errors.New(reason)
	}
	return &kit.Bad{Reason: reason}
}

// each calls add for every event: responseData is a list, or one event itself.
func (a *answer) each(add func(event []byte)) {
	switch kit.KindOf(a.data) {
	case record.Map:
		if m := kit.Members(a.data); m.Next() {
			add(a.data)
		}
	case record.List:
		for i := kit.Items(a.data); i.Next(); {
			if kit.KindOf(i.Value) != record.Null {
				add(i.Value)
			}
		}
	}
}
