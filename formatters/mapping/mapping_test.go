package mapping_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/mapping"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func sample() *record.Record {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{
		Source: "src", Received: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Time: record.Unix(1700000000000000000, 3), ID: b("id"), Name: b("name"), Severity: 7,
		Host: b("fw1"), Message: b("m"), Action: b("act"),
	}
	r.Set(record.UserName, b("bob"))
	r.Set(record.PolicyName, b("Cards"))
	r.SetTime(record.ObjectCreated, record.Unix(1600000000000000000, 3))
	r.SetSlot(record.CS1, "Own", b("v"))
	r.SetSlot(record.CS2, "Kept", b("w"))
	r.Add(b("actor"), record.String, b("ada"))
	r.Add(b("seen"), record.String, b("2023-11-14T22:13:20Z"))
	r.Add(b("kind"), record.String, b("Kind"))
	return r
}

func TestApply(t *testing.T) {
	p, err := mapping.New(mapping.CEF, map[string]string{
		"suser": "fields.actor", "duser": "user.name", "cs1": "policy.name", "cs3": "fields.actor", "cs3Label": "fields.kind", "cs4": "'text in quotes'", "cs5": "fields.none",
		"cs2Label": "ignored", "msg": "name", "act": "fields.none", "start": "fields.seen", "dvchost": "'box 1'", "rt": "received", "deviceFacility": "EU West",
		"sourceServiceName": "vendor", "acmeKey": "severity", "flexDate1": "time", "dtz": "UTC",
	})
	require.NoError(t, err)
	r, whole := sample(), sample()
	var s mapping.Swap
	p.Apply(r, &s)
	slot := func(k record.Slot) string {
		label, v, at := r.GetSlot(k)
		if !at.IsZero() {
			return label + "=" + string(at.AppendJSON(nil))
		}
		return label + "=" + string(v)
	}
	assert.Equal(t, "ada", string(r.Get(record.UserName)))
	assert.Equal(t, "bob", string(r.Get(record.DstUser)), "the value as it was")
	assert.Equal(t, "PolicyName=Cards", slot(record.CS1))
	assert.Equal(t, "Kept=w", slot(record.CS2), "a label without its slot changes nothing")
	assert.Equal(t, "Kind=ada", slot(record.CS3))
	assert.Equal(t, "cs4=text in quotes", slot(record.CS4))
	assert.False(t, r.HasSlot(record.CS5))
	assert.Equal(t, "Time=2023-11-14T22:13:20.000Z", slot(record.FlexDate1))
	assert.Equal(t, "name", string(r.Message))
	assert.Empty(t, r.Action, "what the event does not have leaves the key out")
	assert.Equal(t, int64(1700000000000), r.GetTime(record.Start).Millis())
	assert.False(t, r.Has(record.ObjectCreated))
	assert.Equal(t, "box 1", string(r.Get(record.DeviceHost)))
	assert.Empty(t, r.Host)
	assert.Equal(t, int64(1767323045000), r.Time.Millis())
	assert.Equal(t, "EU West", string(r.Get(record.DeviceFacility)))
	assert.Equal(t, []record.Extra{{Key: "acmeKey", Value: []byte("7")}, {Key: "dtz", Value: []byte("UTC")}}, r.Extras)

	p.Restore(r, &s)
	assert.Empty(t, r.Extras)
	for k := range record.Key(len(record.Keys)) {
		assert.Equal(t, whole.Get(k), r.Get(k))
		assert.Equal(t, whole.GetTime(k), r.GetTime(k))
	}
	for k := range record.Slot(len(record.Slots)) {
		_, v, at := r.GetSlot(k)
		_, wv, wat := whole.GetSlot(k)
		assert.Equal(t, wv, v)
		assert.Equal(t, wat, at)
	}
	assert.Equal(t, "fw1 m act id", string(r.Host)+" "+string(r.Message)+" "+string(r.Action)+" "+string(r.ID))
	assert.Equal(t, whole.Time, r.Time)
	p.Apply(r, &s)
	p.Restore(r, &s)
	assert.Zero(t, testing.AllocsPerRun(50, func() { p.Apply(r, &s); p.Restore(r, &s) }))
}

func TestApplyLEEF(t *testing.T) {
	p, err := mapping.New(mapping.LEEF, map[string]string{"usrName": "user.id", "devTime": "received", "acme": "fields.actor", "eventName": "message", "cs1": "id", "startTime": "fields.seen"})
	require.NoError(t, err)
	r := sample()
	var s mapping.Swap
	p.Apply(r, &s)
	assert.False(t, r.Has(record.UserName))
	assert.Equal(t, "m", string(r.Name))
	assert.Equal(t, int64(1700000000000), r.GetTime(record.Start).Millis())
	assert.Equal(t, []record.Extra{{Key: "acme", Value: []byte("ada")}, {Key: "cs1", Value: []byte("id")}}, r.Extras)
	label, _, _ := r.GetSlot(record.CS1)
	assert.Equal(t, "Own", label, "LEEF has no slots")
	p.Restore(r, &s)
	assert.Equal(t, "bob", string(r.Get(record.UserName)))
}
