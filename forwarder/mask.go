package forwarder

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

const (
	maskDigits = 32 // of the hash that stands for a value
	leastKey   = 16 // octets
	// wordsOnly is the length below which a value is looked for as a whole word: most of
	// what holds "ann" is not about Ann.
	wordsOnly = 4
)

// withheld stands for the text of an event that nobody could read: what of it is to be
// masked is not known.
const withheld = "the text of an event that could not be read is withheld (mask)"

// masker is a formatter that sees values of a record only as hashes. The record itself
// stays as it is. One goroutine may use it at a time.
type masker struct {
	inner formatters.Formatter
	paths []*when.Path
	mac   hash.Hash
	rec   record.Record
	words []maskedWord // of the event in hand, longest first
}

// maskedWord is a text that is not to be seen, and what is.
type maskedWord struct{ text, hash []byte }

func newMasker(c *config.Mask, inner formatters.Formatter) (*masker, error) {
	if c.Key.IsZero() {
		return nil, errors.New("mask: there is no key")
	}
	m := &masker{inner: inner, mac: hmac.New(sha256.New, []byte(c.Key.Reveal()))}
	for _, name := range c.Fields {
		p, err := when.ParsePath(name)
		if err != nil {
			return nil, fmt.Errorf("mask: %w", err)
		}
		m.paths = append(m.paths, p)
	}
	return m, nil
}

// Append implements formatters.Formatter.
func (m *masker) Append(dst []byte, r *record.Record) ([]byte, error) {
	r.CopyTo(&m.rec)
	m.rec.Raw = nil
	m.look()
	if unread(&m.rec) {
		m.rec.Message = record.Bytes(withheld)
	}
	if len(m.words) > 0 {
		if bytes.ContainsAny(m.rec.Syslog.SD, `\`) {
			m.rec.Syslog.SD = nil // what is escaped in it cannot be told
		}
		m.rec.Rewrite(m.hide)
	}
	out, err := m.inner.Append(dst, &m.rec)
	r.Shortened = m.rec.Shortened
	return out, err
}

func unread(r *record.Record) bool {
	return slices.ContainsFunc(r.Warnings, func(w record.Warning) bool { return w.Kind == "unparsed" })
}

// look finds what is not to be seen of the event in hand.
func (m *masker) look() {
	m.words = m.words[:0]
	for _, p := range m.paths {
		p.Values(&m.rec, func(value []byte) {
			m.add(value)
			for part := range bytes.SplitSeq(value, []byte(",")) { // a fact that was a list
				m.add(part)
			}
		})
	}
	slices.SortStableFunc(m.words, func(a, b maskedWord) int { return cmp.Compare(len(b.text), len(a.text)) })
}

// add makes a value, and other spellings of it, one that is not to be seen.
func (m *masker) add(value []byte) {
	value = bytes.TrimSpace(value)
	if !bytes.ContainsFunc(value, func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }) {
		return
	}
	sum := m.sum(value)
	m.words = append(m.words, maskedWord{value, sum})
	text := string(value)
	spellings := []string{url.QueryEscape(text), url.PathEscape(text)}
	if quoted, err := json.Marshal(text); err == nil {
		spellings = append(spellings, string(quoted[1:len(quoted)-1]))
	}
	spellings = append(spellings, strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `"`, `\"`))
	for i, s := range spellings {
		if s != text && !slices.Contains(spellings[:i], s) {
			m.words = append(m.words, maskedWord{[]byte(s), sum})
		}
	}
}

func (m *masker) sum(value []byte) []byte {
	m.mac.Reset()
	m.mac.Write(bytes.ToLower(value))
	return hex.AppendEncode(nil, m.mac.Sum(nil))[:maskDigits]
}

// hide returns text with the hashes of what is not to be seen in it.
func (m *masker) hide(text []byte) []byte {
	var out []byte
	done := 0
	for i := 0; i < len(text); {
		w := m.at(text, i)
		if w == nil {
			i++
			continue
		}
		out = append(append(out, text[done:i]...), w.hash...)
		i += len(w.text)
		done = i
	}
	if out == nil {
		return text
	}
	return append(out, text[done:]...)
}

// at returns the longest word that begins at text[i]; nil when there is none.
func (m *masker) at(text []byte, i int) *maskedWord {
	for k := range m.words {
		w := &m.words[k]
		end := i + len(w.text)
		if end > len(text) || !bytes.EqualFold(text[i:end], w.text) {
			continue
		}
		if utf8.RuneCount(w.text) >= wordsOnly || !inWord(utf8.DecodeLastRune(text[:i])) && !inWord(utf8.DecodeRune(text[end:])) {
			return w
		}
	}
	return nil
}

func inWord(c rune, size int) bool {
	return size > 0 && c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c))
}

// checkMask holds what a sink masks against what can be masked.
func checkMask(s *config.Sink, given func(key string) bool, r *component.Report) {
	if !given("mask") {
		return
	}
	if !s.Mask.On() {
		r.Error("mask", "there are no fields: nothing would be masked", "fields: [user.name], or remove it")
	}
	if s.Mask.Key.IsZero() {
		r.Error("mask", "there is no key", "key: ${cred:mask_key}: without one anybody could compute the hashes of names he guesses")
	} else if len(s.Mask.Key.Reveal()) < leastKey {
		r.Error("mask.key", fmt.Sprintf("it is shorter than %d octets", leastKey), "openssl rand -hex 32")
	}
	if s.Format == "raw" {
		r.Error("format", "raw goes out as it was received, so nothing in it can be masked", "any other format, or remove mask")
	}
	if s.Raw && given("raw") {
		r.Warn("raw", "what was received does not leave through a sink with mask", "remove the line")
	}
	for i, name := range s.Mask.Fields {
		path := fmt.Sprintf("mask.fields[%d]", i)
		p, err := when.ParsePath(name)
		var bad *when.Error
		switch {
		case errors.As(err, &bad):
			r.Error(path, bad.Text, bad.Hint)
		case err != nil:
			r.Error(path, err.Error(), "")
		case p.Type() == when.Time || p.Type() == when.Number:
			r.Error(path, name+" is no text: a hash cannot stand there", "")
		case slices.Contains([]string{"source", "vendor", "product", "version", "class", "warnings", "raw"}, name):
			r.Error(path, name+" is not the event's own, or raw, and cannot be masked", "name the values inside: user.name, fields.NAME")
		}
	}
}
