// Package config reads the configuration: YAML in, typed structs out, and every
// problem at once, each with the line and column it stands at.
//
// A value is looked at three times. First its shape: keys, types, units, words that
// must be known. Then its meaning: what a component's own Checker finds, names that
// refer to nothing, conditions that cannot be read. What only the world can tell
// (ports, hosts, certificates) is not looked at here.
//
// ${env:NAME}, ${file:/path} and ${cred:NAME} are expanded after the file was parsed,
// in values only, once: a value never becomes structure, and its own ${…} stay as they
// are. $${ is a plain ${.
//
// No problem, excerpt or rendering holds a secret or what a ${…} stands for.
package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Kinds are the words a configuration may use, as the tables of the program have them.
type Kinds struct {
	Sources, Sinks   map[string]Kind // by the word after `type:`
	Vendors, Formats []string
	Profiles         []Profile // of sinks
}

// Kind is one word after `type:`.
type Kind struct {
	Doc string
	// Config returns a pointer to a fresh struct that holds the defaults, see
	// component.Spec. Nil: the type has no keys of its own.
	Config func() any
	// VendorConfig is for a source that has keys of its vendor's too: cfg is what
	// Config returns with the vendor's defaults, own a pointer to a fresh struct of the
	// vendor's keys. Both are filled from the source's keys. A nil own means that the
	// type does not go with the vendor. Optional.
	VendorConfig func(vendor string) (cfg, own any)

	Vendor    string   // of a source: what `vendor:` is when it is not said; "": it must be
	Format    string   // of a sink: what `format:` is when it is not said; "": it must be
	Formats   []string // of a sink: the formats it takes; nil: all
	Header    string   // of a sink: what `header:` is when it is not said; "": no syslog header, and no such keys
	WantsWhen bool     // of a sink for people: sending every event is probably not meant
}

// Config is a configuration without errors. Sources and Sinks are in the order of the
// file, and of the files' names.
type Config struct {
	State    string // folder
	Control  string // path of the unix socket; "": none
	Grace    time.Duration
	HTTP     HTTP
	Defaults Defaults
	Sources  []Source
	Sinks    []Sink
	Files    []string // that were read

	written map[string]string // by path: values with ${…} as the file has them
	given   map[string]bool   // by path: keys that are in the file
	names   secretNames
}

// HTTP is the listener of metrics and health.
type HTTP struct {
	Listen string `yaml:"listen" doc:"address of /metrics, /livez and /readyz; \"\" switches it off"`
}

// Defaults hold for every source that does not say otherwise.
type Defaults struct {
	Keep     time.Duration  `yaml:"keep" doc:"how long delivered events stay, for replay"`
	Spool    component.Size `yaml:"spool" doc:"room on disk, per source"`
	WhenFull string         `yaml:"when_full" enum:"block|drop_oldest|drop_newest" doc:"what happens to events that find the spool full"`
	Sync     string         `yaml:"sync" enum:"batch|os" doc:"batch: on disk before an event counts as taken; os: the kernel decides"`
}

// Source is one way in.
type Source struct {
	Name, Type, Vendor string
	Keep               time.Duration
	Spool              component.Size
	WhenFull           string         // block, drop_oldest or drop_newest
	Sync               string         // batch or os
	Timezone           *time.Location // of times without a zone; never nil
	Severity           []Severities   // the first that holds counts
	Config             any            // what Kind.Config returned, filled in
	VendorConfig       any            // the vendor's keys, what Kind.VendorConfig returned, filled in; nil: none
	Pos                Pos
}

// Severities is a severity that events get which all conditions hold for.
type Severities struct {
	Set  int // 0 to 10
	When []Condition
}

// Sink is one way out.
type Sink struct {
	Name, Type, Format string
	Header             string // rfc5424, rfc3164 or none; "" where none applies
	Facility           int    // 0 to 23
	Host, SDID         string // "": the formatter's own
	From               []string
	FromPos            Pos           // of `from:`; the zero Pos when it is not there
	When               []Condition   // all must hold
	Drop               [][]Condition // one list of which all hold drops; none is empty
	Start              string        // newest or oldest
	Raw                bool
	MaxSize            component.Size // of one rendered event; 0: no bound
	Form               Form
	Mask               Mask
	Severity           []Severities   // the first that holds counts; When and Drop see what the source gave
	TimeDigits         *int           // of the header's time; nil: 3, or as many as it came with
	Timezone           *time.Location // of an rfc3164 header's time; never nil
	Config             any            // what Kind.Config returned, filled in
	Pos                Pos
}

// Reads reports whether the sink takes events of the named source. An empty From means
// all sources.
func (s *Sink) Reads(source string) bool {
	return len(s.From) == 0 || slices.Contains(s.From, source)
}

// Condition is one line of `when:` or `drop:`, not yet understood.
type Condition struct {
	Text string
	Pos  Pos
}

// Pos is a place in a file. Lines and columns count from 1, columns in characters.
type Pos struct {
	File      string
	Line, Col int
}

// String prints file:line:col.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Secrets says what a ${cred:} or ${file:} that cannot be read here means.
type Secrets uint8

// Strict makes it an error: the forwarder cannot run without. Lenient makes it a note:
// often only the service can read them. Text fields then hold the ${…} itself, other
// fields their default.
const (
	Strict Secrets = iota
	Lenient
)

// Options are what Load needs from outside. The zero Options is strict, reads the
// process's environment and files, and takes every condition.
type Options struct {
	Secrets   Secrets
	LookupEnv func(name string) (string, bool)  // os.LookupEnv when nil; also asked for CREDENTIALS_DIRECTORY
	ReadFile  func(path string) ([]byte, error) // for ${file:} and ${cred:}; when nil, regular files up to 1 MiB
	MaxSize   int64                             // of one file of the configuration; 4 MiB when 0
	// Condition says what is wrong with a condition, and at which octet; "" is nothing.
	Condition func(text string) (problem, hint string, offset int)
	// Sink says what is wrong with how a sink's keys go together. given tells which keys
	// are in the file. Paths are relative to the sink.
	Sink func(s *Sink, given func(key string) bool, r *component.Report)
}

// The keys common to all sources. Those of Defaults fall back on it.
type sourceKeys struct {
	Type     string `yaml:"type" doc:"the way in"`
	Vendor   string `yaml:"vendor" doc:"what the events are; auto recognises them by content"`
	Defaults `yaml:",inline"`
	Timezone *time.Location `yaml:"timezone" doc:"zone of times that carry none, such as Europe/Berlin"`
	Severity []severityKeys `yaml:"severity" doc:"severities in place of the vendor's; of several whose conditions hold the first counts"`
}

// severityKeys are one severity and when it holds.
type severityKeys struct {
	Set  *int        `yaml:"set" required:"true" doc:"0 to 10"`
	When []condition `yaml:"when" required:"true" doc:"conditions that all must hold"`
}

// The keys common to all sinks.
type sinkKeys struct {
	Type     string         `yaml:"type" doc:"the way out"`
	Format   string         `yaml:"format" doc:"how an event looks"`
	From     []string       `yaml:"from" doc:"names of the sources it reads; default: all"`
	When     []condition    `yaml:"when" doc:"conditions that all must hold"`
	Drop     [][]condition  `yaml:"drop" doc:"lists of conditions; one list of which all hold drops the event"`
	Start    string         `yaml:"start" enum:"newest|oldest" doc:"where a new sink begins in what is kept"`
	Raw      bool           `yaml:"raw" doc:"whether json carries the event as it was received"`
	MaxSize  component.Size `yaml:"max_size" doc:"longest rendered event; 0B: no bound"`
	Form     `yaml:",inline"`
	Severity []severityKeys `yaml:"severity" doc:"severities that events leave with through this sink; of several whose conditions hold the first counts. when and drop of the sink see the severity before"`
	Mask     Mask           `yaml:"mask" doc:"values that leave as a keyed hash; raw does not leave then"`
}

// The keys of sinks that can put a syslog header before an event.
type headerKeys struct {
	Header   string         `yaml:"header" enum:"rfc5424|rfc3164|none" doc:"syslog header around cef, leef and json"`
	Facility facility       `yaml:"facility" doc:"syslog facility, 0 to 23 or a name such as local0"`
	Host     string         `yaml:"host" doc:"host name in the header; default: the event's, then this machine's"`
	SDID     string         `yaml:"sd_id" doc:"id of the structured data element, NAME@ENTERPRISE-NUMBER"`
	Digits   *int           `yaml:"time_digits" doc:"fraction digits of an rfc5424 header's time, 0 to 6; default: 3, or as many as a message that is passed on came with"`
	Timezone *time.Location `yaml:"timezone" doc:"zone of an rfc3164 header's time, which does not say it"`
}

// rootKeys is the whole file.
type rootKeys struct {
	Version  int           `yaml:"version" doc:"of this language; 1"`
	State    string        `yaml:"state" doc:"folder of spools and cursors"`
	HTTP     HTTP          `yaml:"http" doc:"metrics and health"`
	Control  *string       `yaml:"control" doc:"path of the control socket; default: control.sock in state; \"\": none"`
	Grace    time.Duration `yaml:"shutdown_grace" doc:"how long a stop may wait for the batch in hand"`
	Defaults Defaults      `yaml:"defaults" doc:"for sources that do not say otherwise"`
	Sources  section       `yaml:"sources" doc:"the ways in, by name"`
	Sinks    section       `yaml:"sinks" doc:"the ways out, by name"`
}

// section is a mapping whose entries are read later.
type section []at

// condition is text that stays as it was written; ${…} is not for it.
type condition struct {
	text string
	at   at
}

func newRoot() *rootKeys {
	return &rootKeys{
		Version:  1,
		State:    "/var/lib/siemfwd",
		HTTP:     HTTP{Listen: "127.0.0.1:9600"},
		Grace:    20 * time.Second,
		Defaults: Defaults{Keep: 24 * time.Hour, Spool: 10 << 30, WhenFull: "block", Sync: "batch"},
	}
}

func newSource(d Defaults) *sourceKeys { return &sourceKeys{Defaults: d, Timezone: time.UTC} }

func newSink() *sinkKeys { return &sinkKeys{Start: "newest", Raw: true, Form: *newForm()} }

func newHeader(kind string) *headerKeys {
	return &headerKeys{Header: kind, Facility: 16, Timezone: time.UTC}
}
