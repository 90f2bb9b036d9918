package spool_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/spool/faultfs"
)

// model is what a log is, without a disk: a slice, marks, and readers with a
// place to read on and one to begin again.
type model struct {
	t       *rapid.T
	fs      *faultfs.FS
	o       spool.Options
	s       *spool.Spool
	events  []string
	marks   map[string]string
	readers map[string]*pair
}

type pair struct {
	r         *spool.Reader
	run       spool.Run
	at, saved int  // of events
	killed    bool // since it was open
}

// TestModel does the same things to a log and to a slice.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, fs: faultfs.New(), marks: map[string]string{}, readers: map[string]*pair{}}
		m.o = spool.Options{
			FS: m.fs, Keep: century,
			Segment: rapid.Int64Range(1, 3000).Draw(t, "segment"),
			Sync:    rapid.SampledFrom([]spool.Sync{spool.Batch, spool.OS}).Draw(t, "sync"),
		}
		m.open()
		defer func() { m.s.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"":       m.same,
			"emit":   m.emit,
			"read":   m.read,
			"commit": m.commit,
			"rewind": m.rewind,
			"reader": m.reader,
			"reopen": m.reopen,
			"remove": m.remove,
		})
	})
}

func (m *model) open() {
	var err error
	m.s, err = spool.Open("/log", m.o)
	require.NoError(m.t, err)
}

func (m *model) emit(t *rapid.T) {
	b := &event.Batch{}
	for range rapid.IntRange(0, 5).Draw(t, "events") {
		text := fmt.Sprintf("%d %s", len(m.events), strings.Repeat("m", rapid.IntRange(0, 500).Draw(t, "octets")))
		m.events = append(m.events, text)
		b.Add(event.Raw{Data: []byte(text), Time: time.Now()})
	}
	for range rapid.IntRange(0, 2).Draw(t, "marks") {
		k, v := rapid.SampledFrom([]string{"", "a", "b", "ü"}).Draw(t, "key"), rapid.StringN(0, 3, -1).Draw(t, "value")
		b.Marks = append(b.Marks, event.Mark{Key: k, Value: []byte(v)})
		m.marks[k] = v
	}
	require.NoError(t, m.s.Emit(ctx(m.t), b))
}

func (m *model) reader(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(t, "name")
	start := rapid.SampledFrom([]spool.Start{spool.Newest, spool.Oldest}).Draw(t, "start")
	p := m.readers[name]
	r, err := m.s.Reader(name, start)
	if p != nil && p.r != nil {
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	if p == nil {
		p = &pair{}
		m.readers[name] = p
		if start == spool.Newest {
			p.saved = len(m.events)
		}
	}
	// A kill may have come before the last Commit was in the cursor's file.
	at := int(r.Position().Index) - 1
	require.LessOrEqual(t, at, p.saved)
	if !p.killed {
		require.Equal(t, p.saved, at)
	}
	p.r, p.at, p.saved, p.killed = r, at, at, false
}

// some draws an open reader.
func (m *model) some(t *rapid.T) *pair {
	var open []string
	for _, name := range []string{"a", "b", "c/d"} {
		if p := m.readers[name]; p != nil && p.r != nil {
			open = append(open, name)
		}
	}
	if len(open) == 0 {
		t.Skip("no reader")
	}
	return m.readers[rapid.SampledFrom(open).Draw(t, "reader")]
}

func (m *model) read(t *rapid.T) {
	p := m.some(t)
	if p.at == len(m.events) {
		t.Skip("nothing to read")
	}
	limits := spool.Limits{Events: rapid.IntRange(0, 10).Draw(t, "limit"), Bytes: rapid.IntRange(0, 1000).Draw(t, "bytes")}
	require.NoError(t, p.r.Next(ctx(m.t), &p.run, limits))
	for i, e := range p.run.Entries {
		require.Equal(t, m.events[p.at+i], string(e.Data))
		require.EqualValues(t, p.at+i+1, e.Index)
	}
	p.at += len(p.run.Entries)
}

func (m *model) commit(t *rapid.T) {
	p := m.some(t)
	if len(p.run.Entries) == 0 {
		t.Skip("nothing read")
	}
	e := rapid.SampledFrom(p.run.Entries).Draw(t, "entry")
	require.NoError(t, p.r.Commit(e.Pos))
	p.saved = max(p.saved, int(e.Index))
	p.at = max(p.at, p.saved)
}

func (m *model) rewind(t *rapid.T) {
	p := m.some(t)
	p.r.Rewind()
	p.at = p.saved
}

func (m *model) reopen(t *rapid.T) {
	killed := rapid.Bool().Draw(t, "killed")
	if killed {
		m.fs = m.fs.Kill()
		m.o.FS = m.fs
	}
	m.s.Close()
	for _, p := range m.readers {
		p.r, p.run, p.killed = nil, spool.Run{}, p.killed || killed
	}
	m.open()
}

func (m *model) remove(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
	require.NoError(t, m.s.RemoveReader(name))
	delete(m.readers, name)
}

// same compares what can be asked without changing anything.
func (m *model) same(t *rapid.T) {
	st := m.s.Stats()
	require.EqualValues(t, len(m.events)+1, st.Next)
	require.Equal(t, st.Next, st.Synced)
	for k, v := range m.marks {
		require.Equal(t, v, string(m.s.Mark(k)))
		require.Equal(t, v == "", m.s.Mark(k) == nil)
	}
	require.Len(t, m.s.Readers(), len(m.readers))
	for _, p := range m.readers {
		if p.r != nil {
			n, _ := p.r.Waiting()
			require.EqualValues(t, len(m.events)-p.saved, n)
			require.Zero(t, p.r.Skipped())
		}
	}
	i := 0
	for e, err := range m.s.Range(time.Time{}, time.Time{}) {
		require.NoError(t, err)
		require.Equal(t, m.events[i], string(e.Data))
		i++
	}
	require.Equal(t, len(m.events), i)
}
