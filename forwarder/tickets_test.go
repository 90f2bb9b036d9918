package forwarder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/sink"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// desk is a vendor of three kinds of events: "open KEY WHO", "close KEY" and "panic".
var desk = kit.Vendor{
	Name: "desk",
	Parse: func(r *record.Record, raw []byte) error {
		words := bytes.Fields(raw)
		r.Class, r.ID = words[0], words[1]
		return nil
	},
	Join: &kit.Join{
		Keep: time.Hour,
		Open: func(raw []byte) (key, memo []byte) {
			words := bytes.Fields(raw)
			switch string(words[0]) {
			case "open":
				return bytes.Clone(words[1]), bytes.Clone(words[2])
			case "panic":
				panic("no ticket")
			}
			return nil, nil
		},
		Needs: func(r *record.Record) []byte {
			if string(r.Class) == "close" {
				return r.ID
			}
			return nil
		},
		Apply: func(r *record.Record, memo []byte) { r.Set(record.UserName, memo) },
	},
}

func rawEvent(at time.Time, text string) event.Raw {
	return event.Raw{Data: []byte(text), Time: at, Size: len(text)}
}

func memory() *tickets { return newTickets(desk.Join, slog.New(slog.DiscardHandler)) }

var began = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func TestAnEventIsCompletedFromTheOneThatOpenedItsTicket(t *testing.T) {
	m := memory()
	m.note(rawEvent(began, "open 7 bob"))
	read := func(text string) *record.Record {
		var r record.Record
		require.NoError(t, ReadEvent(&r, desk, rawEvent(began, text), Origin{Source: "s", tickets: m}))
		return &r
	}
	assert.Equal(t, "bob", string(read("close 7").Get(record.UserName)))
	assert.False(t, read("close 8").Has(record.UserName), "its ticket is not known")
	assert.False(t, read("open 7 bob").Has(record.UserName), "it needs nothing")
	var r record.Record
	require.NoError(t, ReadEvent(&r, desk, rawEvent(began, "close 7"), Origin{Source: "s"}))
	assert.False(t, r.Has(record.UserName), "without a memory events stay as they are")
}

func TestTicketsAreForgottenInTheOrderTheyWereOpened(t *testing.T) {
	m := memory()
	m.note(rawEvent(began, "open a one"))
	m.note(rawEvent(began.Add(30*time.Minute), "open b two"))
	m.note(rawEvent(began.Add(30*time.Minute), "open a three"))
	assert.Equal(t, "three", string(m.find([]byte("a"))), "the latest opening counts")
	m.note(rawEvent(began.Add(61*time.Minute), "open c four"))
	assert.Equal(t, "three", string(m.find([]byte("a"))), "the first opening is forgotten, not the second")
	m.note(rawEvent(began.Add(90*time.Minute), "open d five"))
	assert.Nil(t, m.find([]byte("a")))
	assert.Nil(t, m.find([]byte("b")))
	assert.Equal(t, "four", string(m.find([]byte("c"))))
	assert.Equal(t, size("c", []byte("four"))+size("d", []byte("five")), m.bytes)
}

func TestTheMemoryOfTicketsIsBounded(t *testing.T) {
	m := memory()
	for i := range mostTickets + 5000 {
		m.note(rawEvent(began, fmt.Sprintf("open %d bob", i)))
	}
	assert.Len(t, m.memos, mostTickets)
	assert.Nil(t, m.find([]byte("4999")))
	assert.NotNil(t, m.find([]byte("5000")))
	assert.LessOrEqual(t, len(m.order), 2*mostTickets+2048)

	m = memory()
	long := bytes.Repeat([]byte("x"), 1<<20)
	for i := range 40 {
		m.note(rawEvent(began, fmt.Sprintf("open %d %s", i, long)))
	}
	assert.LessOrEqual(t, m.bytes, mostTicketBytes+2<<20)
	assert.Nil(t, m.find([]byte("0")))
	assert.NotNil(t, m.find([]byte("39")))
}

func TestAVendorThatBreaksOnATicketLosesNoEvent(t *testing.T) {
	m := memory()
	assert.NotPanics(t, func() { m.note(rawEvent(began, "panic now")) })
	assert.Empty(t, m.memos)
}

func TestFindingATicketAllocatesNothing(t *testing.T) {
	m := memory()
	m.note(rawEvent(began, "open 7 bob"))
	key := []byte("7")
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = m.find(key) }))
}

// The memory is filled when events are taken, and again from the spool after a start,
// also with those that are older than the memory of deliveries.
func TestTicketsSurviveARestart(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	log := slog.New(slog.DiscardHandler)
	open := func() *intake {
		s, err := spool.Open(dir, spool.Options{Max: 64 << 20, Keep: time.Hour, Log: log})
		require.NoError(t, err)
		in := newIntake("s", s, time.Minute, log)
		in.tickets = memory()
		require.NoError(t, in.remember(now))
		return in
	}
	in := open()
	var b event.Batch
	b.Add(rawEvent(now.Add(-30*time.Minute), "open old bob"))
	b.Add(rawEvent(now.Add(-time.Second), "close old"))
	require.NoError(t, in.Emit(context.Background(), &b))
	assert.Equal(t, "bob", string(in.tickets.find([]byte("old"))))
	b.Reset()
	keyed := rawEvent(now, "open new alice")
	keyed.Key = event.Key{1}
	b.Add(keyed)
	require.NoError(t, in.Emit(context.Background(), &b))
	require.NoError(t, in.spool.Close())

	in = open()
	assert.Equal(t, "bob", string(in.tickets.find([]byte("old"))))
	assert.Equal(t, "alice", string(in.tickets.find([]byte("new"))))
	require.NoError(t, in.spool.Close())
}

func TestASourceWithoutTicketsRemembersNone(t *testing.T) {
	m := newTickets(nil, nil)
	assert.Nil(t, m)
	assert.Zero(t, m.keep())
	m.note(rawEvent(began, "open 7 bob"))
	var b event.Batch
	m.noteAll(&b)
}

// A decision gets the user of its request through the real way in and out, also when the
// forwarder was started again between the two, and the event of the request, long since
// delivered, is older than `keep`.
func TestDecisionsAreJoinedOverARestart(t *testing.T) {
	dir := t.TempDir()
	out := &script{}
	run := func() (*Forwarder, func()) {
		path := filepath.Join(dir, "siemfwd.yaml")
		require.NoError(t, os.WriteFile(path, []byte("state: "+dir+"/state\nhttp: {listen: \"\"}\ndefaults: {keep: 1ms}\n"+
			"sources:\n  epm: {type: webhook, vendor: beyondtrust, listen: \"127.0.0.1:0\", path: /hooks/epm, auth: {type: none}}\n"+
			"sinks:\n  out: {type: stdout, format: json, raw: false}\n"), 0o600))
		cfg, problems := Load(path, Strict)
		require.NoError(t, problems.Err())
		f, err := New(cfg, Options{Sinks: map[string]sink.Sink{"out": out}})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		ready, done := make(chan struct{}), make(chan error, 1)
		go func() { done <- f.Run(ctx, func() { close(ready) }) }()
		<-ready
		return f, func() {
			stop()
			require.NoError(t, <-done)
		}
	}
	post := func(f *Forwarder, body string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, f.Status().Sources[0].Listening[0]+"/hooks/epm", strings.NewReader(body))
		require.NoError(t, err)
		// A body that is too long is refused before it is sent.
		req.Header.Set("Expect", "100-continue")
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 10 * time.Second}}
		resp, err := client.Do(req)
		require.NoError(t, err)
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if resp.StatusCode == http.StatusOK {
			assert.Equal(t, `{"status":"ok"}`, string(answer))
		}
		return resp.StatusCode
	}
	arrived := func(n int) []string {
		t.Helper()
		require.Eventually(t, func() bool { return len(out.taken()) == n }, 10*time.Second, time.Millisecond)
		return out.taken()
	}
	decision := func(word string) string {
		return `{"EventType":"URM_NATIVE_DECISION_UPDATE","RequestId":"7","Decision":"` + word + `","DecisionTime":"20260301T101900Z","DecisionPerformedByUser":"CORP\bob"}`
	}

	f, end := run()
	request := `{"EventType":"URM_Native_Ticket_Created","RequestId":"7","Timestamp":"20260301T101112Z","User":"eve","Hostname":"ws","FilePathObjectId":"C:\tmp\"x".exe"}`
	require.Equal(t, 200, post(f, request))
	require.Equal(t, 200, post(f, decision("Denied")))
	assert.Contains(t, arrived(2)[1], `"user":{"name":"eve"}`)
	assert.Equal(t, 413, post(f, strings.Repeat("x", 1<<20+1)))
	assert.Equal(t, 400, post(f, " "))
	end()

	f, end = run()
	require.Equal(t, 200, post(f, decision("Approved")))
	last := arrived(3)[2]
	assert.Contains(t, last, `"user":{"name":"eve"}`)
	assert.Contains(t, last, `"dst":{"user":"CORP\\bob"}`)
	assert.Contains(t, last, `"path":"C:\\tmp\\\"x\".exe"`)
	assert.Contains(t, last, `"decision_latency_s":468`)
	end()
}
