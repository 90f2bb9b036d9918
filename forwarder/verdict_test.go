package forwarder

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func TestDecideNamesTheConditionAndItsLine(t *testing.T) {
	at := func(text string, line int) config.Condition {
		return config.Condition{Text: text, Pos: config.Pos{File: "siemfwd.yaml", Line: line, Col: 3}}
	}
	s := &config.Sink{When: []config.Condition{at("severity >= 4", 7)},
		Drop: [][]config.Condition{{at("outcome = resolved", 8), at("source = casb", 9)}}}
	r := &record.Record{Severity: 3, Source: "casb"}
	assert.Equal(t, "severity >= 4 does not hold: it is 3 low (siemfwd.yaml:7:3)", Decide(s, r))
	r.Severity = 8
	assert.Empty(t, Decide(s, r))
	r.Outcome = []byte("resolved")
	assert.Equal(t, "dropped by [outcome = resolved, source = casb] (siemfwd.yaml:8:3)", Decide(s, r))
}
