package beyondtrust

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// options are what the product's documentation leaves open and a customer may know.
var options = kit.Options{Config: func() any { return &keys{} }, Apply: withKeys}

// keys are what a webhook source of this vendor has besides a webhook's keys.
type keys struct {
	Strict     bool   `yaml:"strict" doc:"whether a body that nobody understands is answered with 400 and kept among the dead letters, instead of being forwarded as its text; the product may not send it again"`
	TicketLink string `yaml:"ticket_link" doc:"address of a ticket in the console, {n} standing for its number, such as https://acme.pm.beyondtrustcloud.com/jit-access-management/jit-access/details/{n}; it becomes the fact referrer"`
}

// Check implements component.Checker.
func (k *keys) Check(r *component.Report) {
	if k.TicketLink == "" || strings.Contains(k.TicketLink, "${") {
		return
	}
	u, err := url.Parse(strings.ReplaceAll(k.TicketLink, "{n}", "1"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		r.Error("ticket_link", "is not an address", "such as https://acme.pm.beyondtrustcloud.com/jit-access-management/jit-access/details/{n}")
	case !strings.Contains(k.TicketLink, "{n}"):
		r.Error("ticket_link", "does not hold {n}", "it stands for the ticket's number")
	}
}

// withKeys implements kit.Options.
func withKeys(v kit.Vendor, cfg any) (kit.Vendor, error) {
	k, ok := cfg.(*keys)
	if !ok {
		return v, fmt.Errorf("beyondtrust: configuration is a %T", cfg)
	}
	if k.Strict {
		strict := hook
		strict.Read = readStrictly
		v.Hook = &strict
	}
	if before, after, ok := strings.Cut(k.TicketLink, "{n}"); ok {
		v.Parse = func(r *record.Record, raw []byte) error {
			err := parse(r, raw)
			link(r, before, after)
			return err
		}
	}
	return v, nil
}

// readStrictly is read, but for bodies that nobody understands.
func readStrictly(body []byte, add func(data []byte, key event.Key)) *kit.Answer {
	var r record.Record
	r.Raw = body
	if !nothing(body) {
		if _ = parse(&r, body); string(r.Class) == unparsedClass {
			return &kit.Answer{Status: http.StatusBadRequest, Body: `{"error":"body is not understood"}`, Reason: "body is not understood"}
		}
	}
	return read(body, add)
}

// link sets where the console shows the ticket: its number is the end of TicketNumber
// without leading zeros, EPM000042 being 42.
func link(r *record.Record, before, after string) {
	ticket := r.Text(names[ticketNumber])
	at := len(ticket)
	for at > 0 && ticket[at-1]-'0' <= 9 {
		at--
	}
	if n := bytes.TrimLeft(ticket[at:], "0"); len(n) > 0 {
		b := r.Begin(len(before) + len(n) + len(after))
		r.Set(record.Referrer, r.End(append(append(append(b, before...), n...), after...)))
	}
}
