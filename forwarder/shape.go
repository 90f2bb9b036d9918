package forwarder

import (
	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// formatOf returns what writes a sink's events, with everything its configuration says of
// how they look. One goroutine may use it at a time.
func formatOf(c *config.Sink, host string) (formatters.Formatter, error) {
	f, err := formatters.New(c.Format, formatOptions(c, host))
	if err == nil && c.Mask.On() {
		f, err = newMasker(&c.Mask, f)
	}
	if err != nil || len(c.Severity) == 0 {
		return f, err
	}
	rules, err := severitiesOf(c.Severity)
	return graded{f, rules}, err
}

// graded is a formatter that sees records with the severity of the first rule that holds.
type graded struct {
	inner formatters.Formatter
	rules severityRules
}

// Append implements formatters.Formatter. r is as before when it returns.
func (g graded) Append(dst []byte, r *record.Record) ([]byte, error) {
	own := r.Severity
	defer func() { r.Severity = own }()
	r.Severity = g.rules.of(r)
	return g.inner.Append(dst, r)
}
