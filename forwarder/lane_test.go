package forwarder

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// anomaly and audit are lines of the length and shape that a connector sends.
const (
	anomaly = `<14>Aug 15 16:58:16 EC-test00.app.example.net activityNames=[-1],actorId=user00042@corp.example,actorIdType=USER,incidentGroup=Alert.Access.AnomalousAccessLocation,incidentId=ANO-94483,incidentRiskScore=9.0,incidentRiskSeverity=high,anomalyCategory="Access Anomalies",anomalyCause="CUSTOMER BLACKLIST",anomalyValue=NA,informationCities="[shimajiri, nowshera, oslo, moscow]",countries="[NO, RU, JP, PK]",isPartOfThreat=false,informationSourceIpOrgs="[knet technology beijing co. ltd., kddi corporation, telenor norge as, example broadband gmbh]",sourceIps="[80.64.104.97, 39.43.30.58, 14.12.145.139, 2.148.4.85]",threatCategory="Compromised Accounts",thresholdDuration=weekly,thresholdValue=-1,responses="[Admin Login, Session Revoked]",serviceNames="[Box]",status=opened,timeCreated="May 17 2026 03:31:52.000 UTC",timeModified="May 17 2026 03:51:01.525 UTC"`
	audit   = `<14>Aug 15 17:06:04 EC-test00.app.example.net activityNames=[],actorId=user00043@corp.example,actorIdType=USER,incidentGroup=Alert.Policy.Audit,incidentId=AUD-2014,incidentRiskScore=3.0,incidentRiskSeverity=low,informationAccountId=dc960d72-efdf-4b89-adb8-4c78eb969c83,category=SecurityCenterRecommendations,informationConfigType=SUBSCRIPTION,informationContentItemId=dc960d72-efdf-4b89-adb8-4c78eb969c83,informationContentItemName="Microsoft Azure",informationContentItemType=SUBSCRIPTION,informationPolicyId=405763,informationPolicyName="Accounts that can read the subscription sign in without a second factor",instanceId=6840,instanceName=Azure,responses="[Violation Detected]",serviceNames="[Microsoft Azure]",status=new,timeCreated="Jun 14 2026 06:56:13.518 UTC",timeModified="Aug 15 2026 08:05:59.826 UTC"`
)

// renderer is a lane without disk and network: what it costs to read and render.
func renderer(t testing.TB, vendor, format, header string, raws ...string) (*lane, *spool.Run) {
	t.Helper()
	v, ok := parsers.ByName(vendor)
	require.True(t, ok)
	f, err := formatters.New(format, formatters.Options{Header: header, Facility: 16, Host: "siemfwd-host", SDID: "siemfwd@32473", App: "siemfwd"})
	require.NoError(t, err)
	l := &lane{source: &sourceState{intake: &intake{name: "casb", warnings: map[string]uint64{}}}, vendor: v, format: f, meter: component.NoMeter{},
		log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	run := &spool.Run{}
	for i := range 64 {
		raw := raws[i%len(raws)]
		run.Entries = append(run.Entries, spool.Entry{Raw: event.Raw{Data: []byte(raw), Size: len(raw), Time: time.Date(2026, 11, 20, 10, 0, i, 0, time.UTC)}, Index: uint64(i)})
	}
	return l, run
}

func TestALaneAllocatesNothingPerEvent(t *testing.T) {
	for _, format := range []string{"cef", "leef", "json", "ecs", "ocsf"} {
		l, run := renderer(t, "skyhigh", format, "rfc5424", anomaly, audit)
		l.render(run)
		require.Len(t, l.items, 64)
		assert.Contains(t, string(l.items[0].Payload), "ANO-94483")
		assert.Contains(t, string(l.items[1].Payload), "AUD-2014")
		assert.Zero(t, testing.AllocsPerRun(50, func() { l.render(run) }), format)
	}
}

// counter counts what is metered.
type counter map[string]uint64

func (c counter) Add(name string, n uint64)  { c[name] += n }
func (c counter) Set(name string, v float64) {}

func TestWhatIsTooLongIsShortenedOrADeadLetter(t *testing.T) {
	l, run := renderer(t, "skyhigh", "cef", "", anomaly, "<14>short")
	f, err := formatters.New("cef", formatters.Options{MaxSize: 600})
	require.NoError(t, err)
	count := counter{}
	l.format, l.meter = f, count
	l.render(run)
	assert.Len(t, l.items, 64)
	assert.Contains(t, string(l.items[0].Payload), " adTruncated=true")
	assert.LessOrEqual(t, len(l.items[0].Payload), 600)
	assert.Equal(t, counter{"shortened_events": 32}, count)
	l.render(run)
	assert.Equal(t, counter{"shortened_events": 32}, count, "an event that is sent again is no other event")

	if l.format, err = formatters.New("cef", formatters.Options{MaxSize: 600, Refuse: true}); err != nil {
		t.Fatal(err)
	}
	l.render(run)
	assert.Len(t, l.items, 32)
	require.Len(t, l.buried, 32)
	assert.ErrorIs(t, l.buried[0].why, formatters.ErrTooLong)
}

func BenchmarkLane(b *testing.B) {
	for _, to := range [][2]string{{"cef", ""}, {"cef", "rfc5424"}, {"rfc5424", ""}, {"json", ""}} {
		b.Run(strings.TrimSuffix("skyhigh to "+to[0]+" behind "+to[1], " behind "), func(b *testing.B) {
			l, run := renderer(b, "skyhigh", to[0], to[1], anomaly, audit)
			size := 0
			for _, e := range run.Entries {
				size += len(e.Data)
			}
			b.SetBytes(int64(size / len(run.Entries)))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%len(run.Entries) == 0 {
					l.render(run)
				}
			}
		})
	}
}

func TestAParserThatPanicsCostsNothingButItsOwnReading(t *testing.T) {
	v := kit.Vendor{Name: "broken", Parse: func(*record.Record, []byte) error { panic("index out of range") }}
	var r record.Record
	err := ReadEvent(&r, v, event.Raw{Data: []byte("<14>Nov 20 10:11:12 host some text"), Time: time.Now(), Size: 34}, Origin{Source: "s"})
	require.ErrorContains(t, err, "index out of range")
	assert.Contains(t, string(r.Message), "some text")
	assert.Equal(t, "unparsed", r.Warnings[0].Kind)
	assert.Equal(t, "<14>Nov 20 10:11:12 host some text", string(r.Raw))
}

func TestAnEventThatWasCutSaysHowLongItWas(t *testing.T) {
	v, _ := parsers.ByName("text")
	var r record.Record
	require.NoError(t, ReadEvent(&r, v, event.Raw{Data: []byte("abc"), Size: 10 << 20}, Origin{Source: "s"}))
	require.Len(t, r.Warnings, 1)
	assert.Equal(t, "truncated:10485760", fmt.Sprintf("%s:%s", r.Warnings[0].Kind, r.Warnings[0].Detail))
}
