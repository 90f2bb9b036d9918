package formatters

import (
	"github.com/siemfwd/siemfwd/formatters/mapping"
	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// header is a format that can also stand in front of a body.
type header interface {
	Formatter
	// AppendHeader appends everything before the text, with its SP, and returns how
	// many octets are left for the text.
	AppendHeader(dst []byte, r *record.Record) ([]byte, int, error)
}

// body is a format without a header of its own. What it appends is one line without
// control characters when it stands behind a header.
type body interface {
	Formatter
	// AppendMax appends the record in at most limit octets.
	AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error)
}

// headed is a body behind a header.
type headed struct {
	header header
	body   body
}

// Append appends header and body; neither when one of them cannot be rendered.
func (f headed) Append(dst []byte, r *record.Record) ([]byte, error) {
	base := len(dst)
	dst, left, err := f.header.AppendHeader(dst, r)
	if err != nil {
		return dst[:base], err
	}
	begin := len(dst)
	dst, err = f.body.AppendMax(dst, r, left)
	if err != nil {
		return dst[:base], err
	}
	if len(dst) == begin {
		dst = dst[:begin-1] // no text, no SP
	}
	return dst, nil
}

// bounded is a body that stands alone and may not be longer than max octets.
type bounded struct {
	body body
	max  int
}

// Append appends the body.
func (f bounded) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.body.AppendMax(dst, r, f.max)
}

// mapped is a body whose keys a configuration changes. Rendering changes the record and
// restores it.
type mapped struct {
	body body
	plan *mapping.Plan
}

// Append appends the body.
func (f mapped) Append(dst []byte, r *record.Record) ([]byte, error) {
	return f.AppendMax(dst, r, text.NoLimit)
}

// AppendMax appends the body in at most limit octets.
func (f mapped) AppendMax(dst []byte, r *record.Record, limit int) ([]byte, error) {
	var old mapping.Swap
	f.plan.Apply(r, &old)
	defer f.plan.Restore(r, &old)
	return f.body.AppendMax(dst, r, limit)
}

// strict is a format whose events are not shortened.
type strict struct {
	inner Formatter
	max   int
}

// Append appends the event, or fails.
func (f strict) Append(dst []byte, r *record.Record) ([]byte, error) {
	base := len(dst)
	dst, err := f.inner.Append(dst, r)
	if err == nil && len(dst)-base > f.max {
		return dst[:base], ErrTooLong
	}
	return dst, err
}
