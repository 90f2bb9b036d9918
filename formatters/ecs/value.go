package ecs

import (
	"bytes"

	"github.com/siemfwd/siemfwd/formatters/object"
	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// appendTime appends a time with milliseconds, in UTC.
func appendTime(dst []byte, t record.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return append(t.Append(append(dst, '"'), 3), '"')
}

func timestamp(dst []byte, r *record.Record) []byte { return appendTime(dst, r.When()) }

func created(dst []byte, r *record.Record) []byte {
	return appendTime(dst, record.At(r.Received))
}

// plain reports whether a record is no product's alert: what a generic reader makes of
// lines that name no product.
func plain(r *record.Record) bool { return len(r.Vendor) == 0 || string(r.Vendor) == "Unknown" }

func kind(dst []byte, r *record.Record) []byte {
	if plain(r) {
		return append(dst, `"event"`...)
	}
	return append(dst, `"alert"`...)
}

func category(dst []byte, r *record.Record) []byte {
	if plain(r) {
		return dst
	}
	return append(dst, `["intrusion_detection"]`...)
}

// id appends the vendor's id, or the uid where there is none.
func id(dst []byte, r *record.Record) []byte {
	if len(r.ID) > 0 {
		return object.AppendText(dst, r, r.ID, object.Keyword)
	}
	return append(r.AppendUID(append(dst, '"')), '"')
}

// outcome appends what the schema allows: success, failure or unknown.
func outcome(dst []byte, r *record.Record) []byte {
	for _, word := range [...]string{"success", "failure", "unknown"} {
		if bytes.EqualFold(r.Outcome, record.Bytes(word)) {
			return append(append(append(dst, '"'), word...), '"')
		}
	}
	return dst
}

func severity(dst []byte, r *record.Record) []byte {
	if r.Severity <= 0 {
		return dst
	}
	return object.AppendInt(dst, int64(min(r.Severity, 10)))
}

// module appends the product in lower case, with "_" for everything but letters and
// digits.
func module(dst []byte, r *record.Record) []byte {
	mark := len(dst)
	dst = append(dst, '"')
	for _, c := range text.Cut(r.Product, 128) {
		switch {
		case c-'0' <= 9, c-'a' <= 25:
		case c-'A' <= 25:
			c |= 0x20
		default:
			if dst[len(dst)-1] == '_' || len(dst) == mark+1 {
				continue
			}
			c = '_'
		}
		dst = append(dst, c)
	}
	if dst = bytes.TrimRight(dst, "_"); len(dst) == mark+1 {
		return dst[:mark]
	}
	return append(dst, '"')
}

func dataset(dst []byte, r *record.Record) []byte {
	mark := len(dst)
	if dst = module(dst, r); len(dst) == mark {
		return dst
	}
	dst = dst[:len(dst)-1]
	if plain(r) {
		return append(dst, `.event"`...)
	}
	return append(dst, `.alert"`...)
}

func message(dst []byte, r *record.Record) []byte {
	return object.AppendText(dst, r, either(r.Message, r.Name), 0)
}

func either(a, b []byte) []byte {
	if len(a) > 0 {
		return a
	}
	return b
}

// address appends an address or, where there is none, a name.
func address(ip, host record.Key) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		return object.AppendText(dst, r, either(object.IP(r.Get(ip)), r.Get(host)), object.Keyword)
	}
}

func observerIP(dst []byte, r *record.Record) []byte {
	if ip := object.IP(r.Get(record.DeviceIP)); len(ip) > 0 {
		return object.AppendText(dst, r, ip, 0)
	}
	if !r.Peer.IsValid() {
		return dst
	}
	return append(r.Peer.Unmap().WithZone("").AppendTo(append(dst, '"')), '"')
}

// lower appends a fact in lower case.
func lower(k record.Key) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		mark := len(dst)
		dst = object.AppendText(dst, r, r.Get(k), object.Keyword)
		for i := mark; i < len(dst); i++ {
			if dst[i]-'A' <= 25 {
				dst[i] |= 0x20
			}
		}
		return dst
	}
}

// hash appends the file's hash if it has as many hexadecimal digits.
func hash(digits int) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		v := r.Get(record.FileHash)
		if len(v) != digits {
			return dst
		}
		for _, c := range v {
			if c-'0' > 9 && c|0x20-'a' > 5 {
				return dst
			}
		}
		return object.AppendText(dst, r, v, 0)
	}
}

// fileType appends the file's type where it is a MIME type, or where it is not.
func fileType(mime bool) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		v := r.Get(record.FileType)
		if bytes.IndexByte(v, '/') >= 0 != mime {
			return dst
		}
		return object.AppendText(dst, r, bytes.TrimLeft(v, "."), object.Keyword)
	}
}

// framework names ATT&CK where a technique or tactic is known.
func framework(dst []byte, r *record.Record) []byte {
	if !r.Has(record.ThreatTactic) && !r.Has(record.ThreatTechnique) {
		return dst
	}
	return append(dst, `"MITRE ATT&CK"`...)
}

// attack appends the words of a fact that are ATT&CK ids, or those that are not.
func attack(k record.Key, prefix string, ids bool) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		mark := len(dst)
		for rest := r.Get(k); len(rest) > 0; {
			word := rest
			if i := bytes.IndexAny(rest, ",;"); i >= 0 {
				word, rest = rest[:i], rest[i+1:]
			} else {
				rest = nil
			}
			word = bytes.TrimSpace(word)
			digits, found := bytes.CutPrefix(word, record.Bytes(prefix))
			if isID := found && len(digits) > 0 && digits[0]-'0' <= 9; len(word) == 0 || isID != ids {
				continue
			}
			if len(dst) > mark {
				dst = append(dst, ',')
			} else {
				dst = append(dst, '[')
			}
			dst = object.AppendText(dst, r, word, object.Keyword)
		}
		if len(dst) > mark {
			dst = append(dst, ']')
		}
		return dst
	}
}

// related appends the values of facts, each once; addresses only if they are some.
func related(keys ...record.Key) object.Value {
	return func(dst []byte, r *record.Record) []byte {
		mark := len(dst)
		var before []byte
		for _, k := range keys {
			v := r.Get(k)
			if record.Keys[k].Kind == record.FactIP {
				v = object.IP(v)
			}
			if len(v) == 0 || bytes.Equal(v, before) {
				continue
			}
			if len(dst) > mark {
				dst = append(dst, ',')
			} else {
				dst = append(dst, '[')
			}
			dst, before = object.AppendText(dst, r, v, object.Keyword), v
		}
		if len(dst) > mark {
			dst = append(dst, ']')
		}
		return dst
	}
}
