package forwarder

import (
	"fmt"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Rules are what the configuration of a source says about its records once they are
// read. They hold no state that a call changes.
type Rules struct {
	severity severityRules
	tests    bool // tests of senders go on as events
}

// severityRules are severities by condition, in order.
type severityRules []severityRule

type severityRule struct {
	set  int
	when []*when.Cond
}

// NewRules returns the rules of a source.
func NewRules(c *config.Source) (*Rules, error) {
	u := &Rules{}
	if t, ok := c.Config.(interface{ ForwardsTests() bool }); ok {
		u.tests = t.ForwardsTests()
	}
	var err error
	u.severity, err = severitiesOf(c.Severity)
	return u, err
}

func severitiesOf(list []config.Severities) (rules severityRules, err error) {
	for i := range list {
		s := severityRule{set: list[i].Set}
		for _, t := range list[i].When {
			cond, err := when.Parse(t.Text)
			if err != nil {
				return nil, err
			}
			s.when = append(s.when, cond)
		}
		rules = append(rules, s)
	}
	return rules, nil
}

// of returns the severity of a record: that of the first rule whose conditions hold, or
// the record's own.
func (rules severityRules) of(r *record.Record) int {
	for i := range rules {
		if rules[i].holds(r) {
			return rules[i].set
		}
	}
	return r.Severity
}

// apply changes a record that was read. The first severity whose conditions hold counts.
func (u *Rules) apply(r *record.Record) {
	if u == nil {
		return
	}
	r.Test = r.Test && !u.tests
	r.Severity = u.severity.of(r)
}

func (s *severityRule) holds(r *record.Record) bool {
	for _, c := range s.when {
		if !c.Match(r) {
			return false
		}
	}
	return true
}

// readingOf returns what the events of a source are read with.
func readingOf(c *config.Source) (v kit.Vendor, u *Rules, err error) {
	if v, err = VendorOf(c); err == nil {
		u, err = NewRules(c)
	}
	return v, u, err
}

// VendorOf returns the vendor of a source, as the source's own keys want it to read.
func VendorOf(c *config.Source) (kit.Vendor, error) {
	v, ok := parsers.ByName(c.Vendor)
	if !ok {
		return v, fmt.Errorf("vendor %q: no such vendor", c.Vendor)
	}
	if v.Options == nil || c.VendorConfig == nil {
		return v, nil
	}
	return v.Options.Apply(v, c.VendorConfig)
}
