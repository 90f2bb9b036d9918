package config

import "github.com/siemfwd/siemfwd/forwarder/component"

// Mask says which values leave through a sink only as a hash that nobody can compute
// without the key.
type Mask struct {
	Fields []string         `yaml:"fields" doc:"paths of values (user.name, fields.NAME). Wherever such a value stands in the event, in whole words for those under 4 characters, letter case aside, its HMAC-SHA256 stands there (of the value in lower case, 32 hex digits). Not covered: what the vendor writes otherwise (jane for jane@example.com, base64, abbreviated), times, the uid, names of sources and products, the sink's own settings, and what stays on this machine (spool, dead letters, tap)"`
	Key    component.Secret `yaml:"key" doc:"of the hash, 16 octets or more; the same key gives the same hash: ${cred:NAME}"`
}

// On reports whether anything is masked.
func (m *Mask) On() bool { return len(m.Fields) > 0 }
