// Package formatters holds the table of formats: how a record looks to a SIEM.
package formatters

import (
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// Formatter renders records. It holds no state that a call changes and may be used
// by any number of goroutines.
type Formatter interface {
	// Append appends the rendered record to dst, without framing, and returns the
	// extended slice. It allocates nothing beyond growing dst. An error means that
	// this record can never be rendered; dst is then returned as it was.
	Append(dst []byte, r *record.Record) ([]byte, error)
}
