package object

import (
	"strconv"

	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Keyword is the longest text that Elasticsearch can index, in octets; a longer one
// refuses the whole document.
const Keyword = 32766

// AppendText appends v as a JSON string; nothing when it is empty. What is longer than
// limit octets (0: no bound) is cut behind them, and counted.
func AppendText(dst []byte, r *record.Record, v []byte, limit int) []byte {
	if len(v) == 0 {
		return dst
	}
	if limit > 0 && len(v) > limit {
		v = text.Cut(v, limit)
		r.Shortened++
	}
	return text.AppendJSON(dst, `"`, v)
}

// AppendInt appends n.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

// Const is a member that is always there; v is JSON.
func Const(v string) Value {
	return func(dst []byte, _ *record.Record) []byte { return append(dst, v...) }
}

// Text is a member whose text is of gives.
func Text(of func(r *record.Record) []byte, limit int) Value {
	return func(dst []byte, r *record.Record) []byte { return AppendText(dst, r, of(r), limit) }
}

// Fact is a member that shows a fact: a number as a number if it is one, an address only
// if it is one, a time as the given function writes it, everything else as text.
func Fact(k record.Key, limit int, time func(dst []byte, t record.Time) []byte) Value {
	switch record.Keys[k].Kind {
	case record.FactTime:
		return func(dst []byte, r *record.Record) []byte {
			if !r.Has(k) {
				return dst
			}
			return time(dst, r.GetTime(k))
		}
	case record.FactNumber:
		return func(dst []byte, r *record.Record) []byte { return AppendNumber(dst, r.Get(k)) }
	case record.FactIP:
		return func(dst []byte, r *record.Record) []byte { return AppendText(dst, r, IP(r.Get(k)), limit) }
	}
	return func(dst []byte, r *record.Record) []byte { return AppendText(dst, r, r.Get(k), limit) }
}

// AppendNumber appends v if it is an integer as JSON writes them: a numeric field that gets
// anything else refuses the whole event. Beyond 2^53-1 it is a string.
func AppendNumber(dst, v []byte) []byte {
	if _, integer := text.Number(v); !integer {
		return dst
	}
	return tree.Safe.Append(dst, v)
}

// IP is v without a zone; nil when it is no address.
func IP(v []byte) []byte {
	if text.IPv4(v) {
		return v
	}
	for i, c := range v {
		if c == '%' {
			v = v[:i]
			break
		}
	}
	if text.IPv6(v) {
		return v
	}
	return nil
}
