package checkpoint

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// facts sets what has a place in every format, and the custom slots of CEF. The user is
// whom the event comes from: the sender, or who did what is odd; the other user is
// whose mailbox it is.
func (e *event) facts() {
	r := e.r
	sender, recipient := e.sender, e.found.recipient
	if len(sender) == 0 {
		sender = e.found.sender
	}
	if len(recipient) == 0 {
		recipient = e.recipient
	}
	switch {
	case len(sender) == 0:
		r.Set(record.UserName, e.found.actor)
	case len(recipient) == 0:
		// Who reported a mail had it.
		recipient = e.found.actor
	}
	r.Set(record.UserName, sender)
	r.Set(record.SrcHost, domain(sender))
	r.Set(record.DstUser, recipient)
	r.Set(record.SrcIP, e.found.public())
	r.SetTime(record.Start, e.created)
	r.SetTime(record.End, e.actions.time)
	r.Set(record.Service, e.saas)
	r.Set(record.DeviceID, e.customer)
	r.Set(record.URL, e.link)
	r.Set(record.FileHash, e.hash)
	r.Set(record.ObjectID, e.entity)
	r.Set(record.ObjectName, e.found.subject)

	r.SetSlot(record.CS1, "ConfidenceIndicator", e.confidence)
	r.SetSlot(record.CS2, "EmailSubject", e.found.subject)
	r.SetSlot(record.CS3, "EntityId", e.entity)
	r.SetSlot(record.CS5, "ScanEngine", e.found.engine)
	if e.at.available >= 0 {
		r.SetSlot(record.CS6, "AvailableActions", available(r, e.at.available))
	}
	if e.actions.listed {
		r.SetSlot(record.CS4, "Actions", e.actions.joined(r))
		r.SetSlot(record.CN1, "ActionCount", r.End(strconv.AppendInt(r.Begin(20), int64(e.actions.count), 10)))
	}
}

// domain is the host name of an address, which the vendor sometimes sends alone.
func domain(address []byte) []byte {
	host := address[bytes.LastIndexByte(address, '@')+1:]
	if !kit.IsHostName(host) {
		return nil
	}
	return host
}

// isPublic reports whether an address can be one of the internet.
func isPublic(text []byte) bool {
	a, err := netip.ParseAddr(kit.Text(text))
	if err != nil {
		return false
	}
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// shared is the address space of carriers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")
