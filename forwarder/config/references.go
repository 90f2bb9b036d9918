package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// references checks names that point from sinks to sources.
func (l *loader) references(c *Config, sources, sinks []at) {
	if l.broken {
		return // what is not known may be in the file that cannot be read
	}
	read := map[string]bool{} // by some sink
	for _, a := range sources {
		read[a.key.Value] = false
	}
	certain := !l.bad["sources"]
	for i, a := range sinks {
		certain = l.from(a, &c.Sinks[i], read) && certain
	}
	if !certain || l.readsAll || len(sinks) == 0 {
		return
	}
	for _, a := range sources {
		if !read[a.key.Value] {
			l.report(a.name(), Warning, "no sink reads "+a.path, "name it in the from: of a sink; until then its events only fill its spool")
		}
	}
}

// from checks the sources a sink names, and notes them as read; false when it is not certain which it means.
func (l *loader) from(a at, s *Sink, read map[string]bool) bool {
	m, ok := a.lookup("from")
	if !ok {
		l.readsAll = true
		return !l.quiet(join(a.path, "from"))
	}
	if l.quiet(m.path) {
		return false
	}
	if len(s.From) == 0 {
		l.report(m, Error, m.path+" is empty: "+a.path+" would get nothing", "remove it to read all sources")
		return false
	}
	certain := true
	given := map[string]bool{}
	for i, name := range s.From {
		item := m.item(i)
		_, known := read[name]
		switch {
		case l.unresolved[item.value()]:
			certain = false
		case !known:
			hint := ""
			if l.room() {
				hint = hintFor(item.value().Value, slices.Sorted(maps.Keys(read)))
			}
			l.report(item, Error, item.path+": no source is named "+item.written(), hint)
			certain = false
		case given[name]:
			l.report(item, Warning, item.path+": "+item.written()+" is named before", "")
		default:
			read[name], given[name] = true, true
		}
	}
	return certain
}

var (
	// sdID is SD-ID of RFC 5424 section 6.3.2 with the enterprise number that names of
	// one's own must have.
	sdID = regexp.MustCompile(`^[!#-<>?A-Z\[\\^-~]{1,32}@[0-9.]{1,31}$`)
	// hostName is HOSTNAME of RFC 5424 section 6.
	hostName = regexp.MustCompile(`^[!-~]{1,255}$`)
)

// documentationNumber is set aside for examples by RFC 5612.
const documentationNumber = "32473"

// sinkAdvice checks how a sink's common keys go together.
func (l *loader) sinkAdvice(a at, s *Sink, kind Kind) {
	if _, ok := a.lookup("when"); kind.WantsWhen && !ok && !l.quiet(join(a.path, "when")) {
		l.report(a.name(), Warning, a.path+" would get every event", "write when: [severity >= high], or when: [] if that is meant")
	}
	if s.Header == "" {
		return
	}
	if s.Host != "" && !hostName.MatchString(s.Host) {
		l.wrong(a, "host", "a host name is printable ASCII without blanks, up to 255 characters", "")
	}
	if s.SDID != "" && (!sdID.MatchString(s.SDID) || len(s.SDID) > 32) {
		l.wrong(a, "sd_id", "the id is NAME@NUMBER, printable ASCII without = ] \" and blanks, up to 32 characters",
			"the number is the organisation's private enterprise number")
	} else if _, number, _ := strings.Cut(s.SDID, "@"); s.Format == "rfc5424" && (s.SDID == "" || number == documentationNumber) {
		at, ok := a.lookup("sd_id")
		if !ok {
			at = a.name()
		}
		l.report(at, Warning, a.path+" sends structured data under the number for examples, "+documentationNumber,
			"write sd_id: siemfwd@NUMBER with the organisation's private enterprise number")
	}
	if m, ok := a.lookup("header"); ok && s.Header != s.Format && slices.Contains([]string{"rfc5424", "rfc3164"}, s.Format) && !l.quiet(m.path) {
		l.report(m, Warning, m.path+": format "+strconv.Quote(s.Format)+" is a syslog header already", "remove header, or choose cef, leef or json")
	}
}
