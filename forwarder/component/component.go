// Package component says how an entry of a table (a source type, a sink type) is
// named, configured and built. It is a leaf: it imports only the standard library.
package component

import (
	"fmt"
	"log/slog"
	"net"
)

// Spec is one entry of a table.
type Spec[T any] struct {
	Name string // the word after `type:`
	Doc  string // one line for `siemfwd list`
	// Config returns a pointer to a fresh configuration struct that holds the
	// defaults. Its fields carry `yaml:"key"` and `doc:"…"` tags, and may carry
	// `enum:"a|b"` and `required:"true"`; time.Duration, Size and Secret fields are
	// read with their units. A struct that implements Checker is asked for what
	// tags cannot say.
	Config func() any
	// Build makes the component. cfg is what Config returned, filled in.
	Build func(cfg any, env Env) (T, error)
}

// Of makes a Spec from a struct of defaults and a typed constructor.
func Of[C, T any](name, doc string, defaults C, build func(cfg *C, env Env) (T, error)) Spec[T] {
	return Spec[T]{
		Name:   name,
		Doc:    doc,
		Config: func() any { c := defaults; return &c },
		Build: func(cfg any, env Env) (T, error) {
			c, ok := cfg.(*C)
			if !ok {
				var none T
				return none, fmt.Errorf("%s: configuration is a %T", name, cfg)
			}
			return build(c, env)
		},
	}
}

// Env is what a component gets from the forwarder.
type Env struct {
	Name  string       // the component's name in the configuration
	Host  string       // this daemon's host name
	Log   *slog.Logger // carries the component's name; log changes of state, not attempts
	Meter Meter        // never nil
	// State is a folder of this component's own for what it must not forget over a
	// restart besides events and marks, such as a key it made. Whoever writes to it
	// first makes it, with mode 0700. "" when there is none.
	State string
	// Sockets are those that the service manager opened; nil: none.
	Sockets Sockets
}

// Sockets are listening sockets that were opened before this process started. Both
// functions return nil when there is none of that address, which is then to be opened;
// networks and addresses are those of net.Listen and net.ListenPacket.
type Sockets interface {
	Listen(network, address string) (net.Listener, error)
	ListenPacket(network, address string) (net.PacketConn, error)
}

// Meter counts. Names are constants in snake_case, without the siemfwd_ prefix and
// the _total suffix; they come out as siemfwd_NAME_total and siemfwd_NAME with the
// component's name as label. Safe for concurrent use.
type Meter interface {
	Add(name string, n uint64)
	Set(name string, v float64)
}

// NoMeter counts nothing.
type NoMeter struct{}

// Add does nothing.
func (NoMeter) Add(string, uint64) {}

// Set does nothing.
func (NoMeter) Set(string, float64) {}

// Size is a number of octets, written with a unit: B, KiB, MiB or GiB.
type Size int64

// String prints the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		n    Size
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if s != 0 && s%u.n == 0 {
			return fmt.Sprintf("%d%s", s/u.n, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// Secret is a value that is never shown: it prints as <secret> with every verb, in
// JSON, YAML and logs. Reveal returns it.
type Secret struct{ text string }

// NewSecret wraps a secret.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

const hidden = "<secret>"

// Format prints <secret>, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	if s.text != "" {
		_, _ = f.Write([]byte(hidden))
	}
}

// MarshalText returns <secret>; it serves encoding/json too.
func (s Secret) MarshalText() ([]byte, error) {
	if s.text == "" {
		return nil, nil
	}
	return []byte(hidden), nil
}

// MarshalYAML returns <secret>.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue returns <secret>.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// String returns <secret>.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return hidden
}

// Checker is a configuration struct that can tell what its tags cannot say. Check
// runs after decoding, with ${…} expanded where it could be.
type Checker interface{ Check(r *Report) }

// Report collects what a Checker finds. Paths are relative to the struct: "listen",
// "listen[0]", "auth.token"; "" is the struct itself.
type Report struct{ Findings []Finding }

// Finding is one error or warning, with an optional hint.
type Finding struct {
	Path, Text, Hint string
	Warning          bool
}

// Error notes what makes the configuration unusable.
func (r *Report) Error(path, text, hint string) {
	r.Findings = append(r.Findings, Finding{Path: path, Text: text, Hint: hint})
}

// Warn notes what is legal but probably not meant.
func (r *Report) Warn(path, text, hint string) {
	r.Findings = append(r.Findings, Finding{Path: path, Text: text, Hint: hint, Warning: true})
}

// Claimer is a configuration of what no other component may have too: an address to
// listen on, a path on it. Two sources with the same claim are an error.
type Claimer interface{ Claims() []Claim }

// Claim is one such thing: What tells it from others and is never shown, Path is where
// it stands, as in a Finding. Those that want it As the same can share it; "" is nobody.
type Claim struct{ Path, What, As string }
