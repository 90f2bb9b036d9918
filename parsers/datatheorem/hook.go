package datatheorem

import (
	"net/http"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hook answers with the words of a Splunk HEC, which a plain webhook sender takes too.
// The answers are never written to.
var hook = kit.Hook{
	Read: read,
	OK:   kit.Answer{Status: http.StatusOK, Body: `{"text":"Success","code":0}`},
	Full: kit.Answer{Status: http.StatusServiceUnavailable, Body: `{"text":"Server is busy","code":9}`},
	Denied: kit.Answer{
		Status: http.StatusUnauthorized,
		Header: http.Header{"Www-Authenticate": {"Bearer"}},
		Body:   `{"text":"Invalid token","code":4}`,
	},
	MaxBody: 5 << 20,
}

// read takes a body apart: one envelope, several one after another, or a list of them.
// A body is good only as a whole.
func read(body []byte, add func(data []byte, key event.Key)) *kit.Answer {
	n, bad, err := kit.EachValue(body, func(envelope []byte) *kit.Answer {
		o, bad := open(envelope)
		if bad == nil {
			add(envelope, o.key())
		}
		return bad
	})
	switch {
	case bad != nil:
		return bad
	case err != nil:
		return refuse(`{"text":"Invalid data format","code":6}`, err.Error())
	case n == 0:
		return refuse(`{"text":"No data","code":5}`, "body is empty")
	}
	return nil
}

// outer is an envelope taken apart as far as it has to be; the values are JSON.
type outer struct{ event, time []byte }

// open takes an envelope apart. The answer says what is wrong with one that has no
// event.
func open(envelope []byte) (o outer, bad *kit.Answer) {
	if kit.KindOf(envelope) != record.Map {
		return o, refuse(`{"text":"Invalid data format","code":6}`, "delivery is not an object")
	}
	for m := kit.Members(envelope); m.Next(); {
		switch {
		case o.event == nil && m.Is("event"):
			o.event = m.Value
		case o.time == nil && m.Is("time"):
			o.time = m.Value
		}
	}
	switch {
	case kit.KindOf(o.event) == record.Null:
		return o, refuse(`{"text":"Event field is required","code":12}`, "event is missing")
	case string(o.event) == `""`:
		return o, refuse(`{"text":"Event field cannot be blank","code":13}`, "event is blank")
	}
	return o, nil
}

func refuse(body, reason string) *kit.Answer {
	return &kit.Answer{Status: http.StatusBadRequest, Body: body, Reason: reason}
}

// key is the start of the hash of the event's identity; a connection test has none.
func (o *outer) key() (key event.Key) {
	if kit.KindOf(o.event) == record.String {
		return key
	}
	id := identity{time: kit.ScalarText(o.time), data: o.event}
	var typ, data []byte
	for m := kit.Members(o.event); m.Next(); {
		switch {
		case typ == nil && m.Is("type"):
			typ = m.Value
		case data == nil && m.Is("data"):
			data, id.data = m.Value, m.Value
		}
	}
	id.typ = kit.ScalarText(typ)
	for m := kit.Members(id.data); m.Next(); {
		switch {
		case len(id.uuid) == 0 && m.Is("uuid"):
			id.uuid = kit.ScalarText(m.Value)
		case len(id.status) == 0 && m.Is("policy_violation_status"):
			id.status = kit.ScalarText(m.Value)
		}
	}
	var buf [512]byte
	return kit.KeyOf(id.append(buf[:0]))
}

// detect recognises an envelope of this vendor among those of a Splunk HEC.
func detect(raw []byte) bool {
	var host, e []byte
	m := kit.Members(raw)
	for m.Next() {
		switch {
		case m.Is("host") && host == nil:
			host = m.Value
		case m.Is("event") && e == nil:
			e = m.Value
		}
	}
	if m.Err() != nil || e == nil {
		return false
	}
	if string(host) == `"`+vendorHost+`"` {
		return true
	}
	typ, _ := kit.Find(e, "type")
	data, _ := kit.Find(e, "data")
	return kit.KindOf(typ) == record.String && kit.KindOf(data) == record.Map && isToken(kit.ScalarText(typ))
}

// products begin the left part of a type token.
var products = [...]string{"API", "MOBILE", "WEB", "CLOUD", "CODE", "SAST", "SUPPLY"}

// isToken reports whether typ looks like one of the vendor's type tokens.
func isToken(typ []byte) bool {
	product, name := split(typ)
	if len(product) == 0 || len(name) == 0 {
		return false
	}
	for _, c := range name {
		if c != '_' && c-'0' > 9 && c-'A' > 'Z'-'A' {
			return false
		}
	}
	for _, c := range product {
		if c != '_' && c-'A' > 'Z'-'A' {
			return false
		}
	}
	for _, p := range products {
		if len(product) >= len(p) && string(product[:len(p)]) == p {
			return true
		}
	}
	return false
}
