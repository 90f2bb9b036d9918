package checkpoint

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// sentence finds in the plain description what no token said. It is written like
//
//	Phishing attempt detected in an email from A - 'SUBJECT' (B's mailbox)
//
// with straight or typographic quotes. SUBJECT is the sender's text and may hold both.
func (f *finding) sentence(text []byte) {
	set(&f.recipient, owner(text))
	subject, rest := quoted(text, " '", "'")
	if subject == nil {
		subject, rest = quoted(text, "‘", "’")
	}
	if !unknown(subject) {
		set(&f.subject, subject)
	}
	if at := index(text, "email from "); at >= 0 {
		set(&f.sender, address(text[at:]))
	} else if hasPrefix(rest, " from ") {
		set(&f.sender, address(rest[len(" from "):]))
	}
	if end := bytes.IndexByte(text, ' '); end > 0 && isDeed(text[end:]) && domain(text[:end]) != nil {
		set(&f.actor, text[:end])
	}
}

// index is the offset behind the first s in text, or -1.
func index(text []byte, s string) int {
	at := bytes.Index(text, record.Bytes(s))
	if at >= 0 {
		at += len(s)
	}
	return at
}

// owner is whose mailbox the parentheses at the end name.
func owner(text []byte) []byte {
	end := bytes.LastIndexByte(text, ')')
	open := bytes.LastIndexByte(text, '(')
	if open < 0 || end < open || len(bytes.TrimRight(text[end+1:], " .")) > 0 {
		return nil
	}
	name := text[open+1 : end]
	for _, tail := range [...]string{"'s mailbox", "’s mailbox"} {
		if hasSuffix(name, tail) {
			if name = name[:len(name)-len(tail)]; !unknown(name) {
				return name
			}
		}
	}
	return nil
}

// quoted is what stands between the first open and the last close that ends a subject:
// before a parenthesis, before a sender, or at the end. rest is what follows close.
func quoted(text []byte, open, close string) (inner, rest []byte) {
	from := index(text, open)
	if from < 0 {
		return nil, nil
	}
	text = text[from:]
	for _, next := range [...]string{" (", " from "} {
		// The last of several: the others are the subject's own.
		for end := len(text); ; {
			if end = bytes.LastIndex(text[:end], record.Bytes(close)); end < 0 {
				break
			}
			if rest = text[end+len(close):]; hasPrefix(rest, next) {
				return text[:end], rest
			}
		}
	}
	if text = bytes.TrimRight(text, " ."); hasSuffix(text, close) {
		return text[:len(text)-len(close)], nil
	}
	return nil, nil
}

// address is the address or host name that text begins with.
func address(text []byte) []byte {
	if end := bytes.IndexByte(text, ' '); end >= 0 {
		text = text[:end]
	}
	text = bytes.Trim(text, "<>()[]\"',.;:")
	if domain(text) == nil {
		return nil
	}
	return text
}

// country is where somebody did something for the first time.
func country(text []byte) []byte {
	at := index(text, "for the first time from ")
	if at < 0 {
		return nil
	}
	text = text[at:]
	if end := bytes.IndexByte(text, '('); end >= 0 {
		text = text[:end]
	}
	if text = bytes.Trim(text, " ."); unknown(text) {
		return nil
	}
	return text
}

// addresses takes the IP addresses that stand in parentheses.
func (f *finding) addresses(text []byte) {
	for {
		open := bytes.IndexByte(text, '(')
		if open < 0 {
			return
		}
		text = text[open+1:]
		end := bytes.IndexByte(text, ')')
		if end < 0 {
			return
		}
		for inner := text[:end]; len(inner) > 0; {
			n := bytes.IndexAny(inner, " ,;")
			if n < 0 {
				n = len(inner)
			}
			if ip := inner[:n]; kit.IsIP(ip) && f.n < len(f.ips) && !has(f.ips[:f.n], ip) {
				f.ips[f.n] = ip
				f.n++
			}
			inner = inner[min(n+1, len(inner)):]
		}
		text = text[end:]
	}
}
