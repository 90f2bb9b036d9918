package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// Form says how an event is written, beyond its format. Not every format heeds every key.
type Form struct {
	Profile      string            `yaml:"profile" doc:"the receiver this is for: keys that are not given are what it reads best"`
	Version      string            `yaml:"version" doc:"of the format: cef 0 or 1, leef 2.0 or 1.0, ocsf 1.1 to 1.8"`
	Delimiter    string            `yaml:"delimiter" doc:"leef 2.0: the character between attributes; default: ^"`
	IPv6         string            `yaml:"ipv6" enum:"strict|plain" doc:"cef: IPv6 addresses in the slots reserved for them, or under src, dst and dvc"`
	Labels       string            `yaml:"labels" enum:"as_is|snake_case" doc:"cef: how the labels of custom slots are spelt"`
	Pipes        string            `yaml:"pipes" enum:"keep|replace" doc:"cef header, leef values: replace writes / for |, for readers that split at every |"`
	Times        string            `yaml:"times" enum:"epoch_ms|text" doc:"cef, leef: times as milliseconds since 1970, or as text"`
	VendorFields bool              `yaml:"vendor_fields" doc:"cef: every field the vendor sent that nothing else shows, as ad and its name"`
	Multiline    string            `yaml:"multiline" enum:"escape|preserve" doc:"rfc5424, rfc3164, raw: line feeds inside a message; preserve needs octet counting"`
	Overflow     string            `yaml:"overflow" enum:"trim|dead_letter" doc:"an event over max_size is shortened and marked, or becomes a dead letter"`
	Map          map[string]string `yaml:"map" doc:"cef, leef: KEY: the path of a value (user.name, fields.NAME), or a text"`
}

// Profile is what one receiver reads best.
type Profile struct {
	Name, Doc string
	Settings  []Setting
}

// Setting is one key of a profile.
type Setting struct {
	Key, Value string
	Types      []string // types of sinks it is for; nil: all
	Others     []string // values that do as well
	Why        string   // what happens with another value
}

// newForm returns what holds without a profile.
func newForm() *Form {
	return &Form{IPv6: "strict", Labels: "as_is", Pipes: "keep", Times: "epoch_ms", Multiline: "escape", Overflow: "trim"}
}

// profile finds the settings of the sink's profile that are for its type; none when it
// names no profile.
func (l *loader) profile(a at, typ string, kind Kind) (name string, all []Setting) {
	m, ok := a.lookup("profile")
	if !ok || m.null() || m.value().Value == "" {
		return "", nil
	}
	if strings.Contains(m.value().Value, "${") {
		l.report(m, Error, m.path+": ${…} is not for profiles", "write the profile's name: it is needed to read the other keys")
		l.wrongAt(m.path)
		return "", nil
	}
	for i := range l.k.Profiles {
		p := &l.k.Profiles[i]
		if p.Name != m.value().Value {
			continue
		}
		for _, s := range p.Settings {
			if s.Types != nil && !slices.Contains(s.Types, typ) || s.Key == "format" && kind.Formats != nil && !slices.Contains(kind.Formats, s.Value) {
				continue
			}
			all = append(all, s)
		}
		return p.Name, all
	}
	return "", nil
}

// apply makes a profile's settings the defaults of the structs that have their keys. What
// a component has against them in general is no news: the profile knows better.
func (l *loader) apply(a at, settings []Setting, into ...any) {
	for _, s := range settings {
		if _, given := a.lookup(s.Key); !given {
			l.assumed[join(a.path, s.Key)] = true
		}
		for _, v := range into {
			if v == nil {
				continue
			}
			v := reflect.ValueOf(v).Elem()
			for _, f := range l.fields(v.Type()) {
				if f.key != s.Key {
					continue
				}
				target := v.FieldByIndex(f.index)
				if target.Kind() == reflect.Pointer && target.Type() != locationType {
					target.Set(reflect.New(target.Type().Elem()))
					target = target.Elem()
				}
				if problem, _ := l.set(target, s.Value); problem != "" {
					panic("config: profile setting " + s.Key + ": " + s.Value + " " + problem)
				}
			}
		}
	}
}

// contradictions warns of keys that say something else than the sink's profile.
func (l *loader) contradictions(a at, profile string, settings []Setting) {
	for _, s := range settings {
		m, ok := a.lookup(s.Key)
		if !ok || m.null() || l.quiet(m.path) || l.unresolved[m.value()] || s.Why == "" {
			continue
		}
		if v := m.value().Value; v == s.Value || slices.Contains(s.Others, v) {
			continue
		}
		want := s.Value
		if len(s.Others) > 0 {
			want += " or " + strings.Join(s.Others, " or ")
		}
		l.report(m, Warning, fmt.Sprintf("%s: profile %s is for %s: %s", m.path, profile, want, s.Why), "remove the line to have "+s.Value)
	}
}

func (k Kinds) profileNames() (names []string) {
	for _, p := range k.Profiles {
		names = append(names, p.Name)
	}
	return names
}

// sinkCheck lets Options.Sink look at a sink whose keys were read.
type sinkCheck struct {
	sink  *Sink
	check func(s *Sink, given func(key string) bool, r *component.Report)
	given func(key string) bool
}

// Check implements component.Checker.
func (c sinkCheck) Check(r *component.Report) { c.check(c.sink, c.given, r) }
