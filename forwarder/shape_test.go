package forwarder

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

const graded4 = `
sources:
  in: {type: syslog, vendor: json, listen: ["udp://127.0.0.1:0"], severity: [{set: 4, when: [source = in]}]}
sinks:
  own: {type: stdout, format: cef}
  first:
    type: stdout
    format: cef
    when: [severity = 4]
    severity:
      - {set: 7, when: [fields.user = janedoe, severity >= 4]}
      - {set: 9, when: [source = in]}
    mask: {fields: [fields.user], key: ` + maskKey + `}
  never: {type: stdout, format: cef, when: [severity >= 9], severity: [{set: 9, when: [source = in]}]}
`

func TestASinkHasSeveritiesOfItsOwn(t *testing.T) {
	cfg := loaded(t, graded4)
	for raw, want := range map[string]string{`{"user":"janedoe"}`: "|7|", `{"user":"bob"}`: "|9|"} {
		all, err := Rehearse(cfg, &cfg.Sources[0], []byte(raw), time.Now(), "relay")
		require.NoError(t, err)
		require.Len(t, all, 3)
		assert.Contains(t, string(all[0].Payload), "|4|", "other sinks see the source's")
		assert.Contains(t, string(all[1].Payload), want, "conditions see what is masked, and the severity before")
		assert.Contains(t, all[2].Why, "severity >= 9 does not hold: it is 4", "conditions of the sink see the source's")
	}
}

func TestASinksSeverityCostsNoAllocation(t *testing.T) {
	cfg := loaded(t, strings.ReplaceAll(graded4, "    mask: ", "    #"))
	plain, err := formatOf(&cfg.Sinks[0], "relay")
	require.NoError(t, err)
	_, wrapped := plain.(graded)
	assert.False(t, wrapped, "nothing stands around a format that is not asked for more")
	f, err := formatOf(&cfg.Sinks[1], "relay")
	require.NoError(t, err)
	judge, err := NewJudge(&cfg.Sinks[1])
	require.NoError(t, err)
	r := &record.Record{Source: "in", Severity: 4, Name: []byte("x"), Received: time.Unix(1767607200, 0)}
	out := make([]byte, 0, 4096)
	assert.Zero(t, testing.AllocsPerRun(100, func() { out, err = f.Append(out[:0], r) }))
	require.NoError(t, err)
	assert.Contains(t, string(out), "|9|")
	assert.Equal(t, 4, r.Severity, "the record stays as it is")
	assert.Equal(t, 9, judge.Severity(r))
}

func TestCheckASinksSeverity(t *testing.T) {
	_, problems := loadSink(t, "type: stdout\nseverity: [{set: 11, when: [severity > 3]}, {set: 3, when: [user.nam = x]}]")
	text := strings.Join(problems, "\n")
	assert.Contains(t, text, "severity[0].set is not from 0 to 10")
	assert.Contains(t, text, `severity[1].when[0]: unknown field "user.nam" (did you mean user.name?)`)
}
