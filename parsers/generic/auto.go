package generic

import (
	"embed"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

//go:embed samples/auto-*.txtar
var autoSamples embed.FS

// someDay serves detection, for which the year of a header does not matter.
var someDay = time.Unix(1_700_000_000, 0)

// Auto recognises each event by its content: the first of others that detects it reads
// it. What nobody recognises is read as syslog, which takes any text.
func Auto(others ...kit.Vendor) kit.Vendor {
	return kit.Vendor{
		Name:    "auto",
		Product: "whatever it is",
		Doc:     "each event is recognised by its content; what nobody knows goes on as syslog text",
		Parse: func(r *record.Record, raw []byte) error {
			if o := recognise(others, raw); o != nil {
				return o.Parse(r, raw)
			}
			return parseSyslog(r, raw)
		},
		Shape:   kit.Lines,
		Samples: autoSamples,
	}
}
