package beyondtrust

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func TestWithoutKeysNothingIsDifferent(t *testing.T) {
	v, err := withKeys(Vendor, options.Config())
	require.NoError(t, err)
	assert.Same(t, Vendor.Hook, v.Hook)
	n := 0
	require.Nil(t, v.Hook.Read([]byte("hello"), func([]byte, event.Key) { n++ }))
	assert.Equal(t, 1, n, "what nobody understands is an event")
	_, err = withKeys(Vendor, 7)
	require.Error(t, err)
}

func TestStrict(t *testing.T) {
	v, err := withKeys(Vendor, &keys{Strict: true})
	require.NoError(t, err)
	for body, want := range map[string]int{
		"hello": 400, "": 400, `{"a":1}`: 400, `[1]`: 400,
		`{"EventType":"URM_Native_Ticket_Created","RequestId":"1","User":"a "quoted" name"}`: 0,
		`RequestId=1&EventType=JIT_ADMIN_TICKET_CREATED`:                                     0,
		`{"RequestId":"","User":""}`:                                                         0,
	} {
		n := 0
		a := v.Hook.Read([]byte(body), func([]byte, event.Key) { n++ })
		if want == 0 {
			assert.Nil(t, a, body)
			assert.Equal(t, 1, n, body)
			continue
		}
		require.NotNil(t, a, body)
		assert.Equal(t, want, a.Status, body)
		assert.NotEmpty(t, a.Reason)
		assert.Zero(t, n, body)
	}
	assert.NotNil(t, Vendor.Hook.Read, "the vendor itself is as it was")
	require.Nil(t, Vendor.Hook.Read([]byte("hello"), func([]byte, event.Key) {}))
}

func TestTicketLink(t *testing.T) {
	v, err := withKeys(Vendor, &keys{TicketLink: "https://h/{n}"})
	require.NoError(t, err)
	for ticket, want := range map[string]string{"EPM000042": "https://h/42", "7": "https://h/7", "EPM": "", "EPM000": "", "": "", "12a": "", "A1B20": "https://h/20"} {
		r := &record.Record{Raw: []byte(`{"RequestId":"1","Timestamp":"20260301T101112Z","User":"bob","TicketNumber":"` + ticket + `"}`), Received: received}
		require.NoError(t, v.Parse(r, r.Raw))
		assert.Equal(t, want, string(r.Get(record.Referrer)), ticket)
	}
	for link, ok := range map[string]bool{"": true, "https://h/{n}": true, "${env:X}": true, "https://h/": false, "h/{n}": false, "ftp://h/{n}": false} {
		var r component.Report
		(&keys{TicketLink: link}).Check(&r)
		assert.Equal(t, ok, len(r.Findings) == 0, link)
	}
}
