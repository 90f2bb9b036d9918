package sinksapi

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func wanted() Wanted {
	return Wanted{TenantID: tenant, Name: "siemfwd", Description: "to the SIEM", URL: hook, Instance: "host-1"}
}

const marked = "to the SIEM managed-by=siemfwd;id=host-1"

func ensure(t *testing.T, c *Client, w Wanted, st State) Outcome {
	t.Helper()
	out, err := c.Ensure(context.Background(), w, st)
	require.NoError(t, err)
	return out
}

// again holds that another run reads the list once and changes nothing.
func again(t *testing.T, m *mock, c *Client, w Wanted, out Outcome) {
	t.Helper()
	for _, st := range []State{out.State, {}} {
		m.calls = nil
		next := ensure(t, c, w, st)
		assert.Equal(t, []string{"GET /v1/event_sink"}, m.calls)
		assert.Empty(t, next.Did)
		assert.Equal(t, out.Sink.ID, next.Sink.ID)
		assert.Equal(t, out.State, next.State)
	}
}

func TestEnsureCreatesOnce(t *testing.T) {
	m, c := newMock(t)
	m.add("somebody's", "", Webhook, object{"url": "https://other.example.com/"}, 0)
	m.add("teams", "", Type("Teams"), object{"x": "y"}, 0)
	out := ensure(t, c, wanted(), State{})
	assert.Equal(t, "created", out.Did)
	assert.Empty(t, out.Duplicates)
	assert.Equal(t, []string{"GET /v1/event_sink", "POST /v1/event_sink", "GET /v1/event_sink/" + out.Sink.ID, "GET /v1/event_sink"}, m.calls)
	s := m.find(out.Sink.ID)
	assert.Equal(t, marked, s["description"])
	assert.Equal(t, tenant, out.State.TenantID)
	assert.Len(t, out.State.URLHash, 64)
	again(t, m, c, wanted(), out)
}

func TestEnsureUpdates(t *testing.T) {
	m, c := newMock(t)
	out := ensure(t, c, wanted(), State{})
	m.heads[out.Sink.ID] = "X-Api-Key: s3cret"

	// Only the name differs: what was set by hand stays.
	w := wanted()
	w.Name, w.Description = "renamed", ""
	m.calls = nil
	out = ensure(t, c, w, out.State)
	assert.Equal(t, "updated", out.Did)
	assert.False(t, out.Headers)
	assert.Equal(t, []string{"PUT /v1/event_sink/" + out.Sink.ID}, m.writes())
	assert.Equal(t, "renamed", m.find(out.Sink.ID)["name"])
	assert.Equal(t, "managed-by=siemfwd;id=host-1", m.find(out.Sink.ID)["description"])
	assert.NotEmpty(t, m.heads)
	again(t, m, c, w, out)

	// Another URL cannot go without the configuration, and the caller is told.
	w.URL = "https://hooks.example.com/other"
	out = ensure(t, c, w, State{})
	assert.Equal(t, "updated", out.Did)
	assert.True(t, out.Headers)
	assert.Empty(t, m.heads)
	assert.Len(t, m.sinks, 1)
	again(t, m, c, w, out)
}

func TestEnsureComparesURLs(t *testing.T) {
	for is, same := range map[string]bool{
		"HTTPS://Hooks.Example.com:443/hooks/scanner/c4pability": true, hook: true,
		hook + "/": false, hook + "?a": false, "https://hooks.example.com/hooks/Scanner/c4pability": false,
		"https://hooks.example.com:8443/hooks/scanner/c4pability": false, "http://hooks.example.com/hooks/scanner/c4pability": false,
	} {
		m, c := newMock(t)
		id := m.add("siemfwd", marked, Webhook, object{"url": is}, 0)
		out := ensure(t, c, wanted(), State{})
		assert.Equal(t, id, out.Sink.ID)
		assert.Equal(t, same, out.Did == "", is)
	}
	assert.Equal(t, "http://u:P@h/X", normal("HTTP://u:P@H:80/X"))
	assert.Equal(t, "nonsense", normal("nonsense"))
	assert.Equal(t, "https://h", normal("https://H:443"))
}

func TestEnsureChooses(t *testing.T) {
	m, c := newMock(t)
	named := m.add("siemfwd", "", Webhook, object{"url": "https://else.example.com/"}, 6*time.Hour)
	pointing := m.add("x", "", Webhook, object{"url": hook}, 5*time.Hour)
	owned := m.add("y", marked, Webhook, object{"url": "https://old.example.com/"}, 4*time.Hour)
	both := m.add("siemfwd", marked, Webhook, object{"url": hook}, 3*time.Hour)
	younger := m.add("siemfwd", marked, Webhook, object{"url": hook}, 2*time.Hour)
	stored := m.add("z", "", Webhook, object{"url": "https://z.example.com/"}, time.Hour)
	m.add("siemfwd", "managed-by=siemfwd;id=host-12", Slack, object{"channel_id": "C1"}, 0)

	all, err := c.List(context.Background(), tenant)
	require.NoError(t, err)
	w := wanted()
	remove := func(id string) {
		for i := range all {
			if all[i].ID == id {
				all = append(all[:i:i], all[i+1:]...)
				return
			}
		}
	}
	st := State{TenantID: tenant, SinkID: stored}
	for _, id := range []string{stored, both, younger, owned, pointing} {
		found, rest := w.choose(all, st)
		require.NotNil(t, found)
		require.Equal(t, id, found.ID)
		for _, r := range rest {
			assert.NotEqual(t, id, r.ID)
		}
		remove(id)
	}
	found, rest := w.choose(all, st)
	assert.Nil(t, found, "a name alone is not ours")
	require.Len(t, rest, 1)
	w.Adopt = true
	found, rest = w.choose(all, st)
	require.NotNil(t, found)
	assert.Equal(t, named, found.ID)
	assert.Empty(t, rest)
}

func TestEnsureReportsDuplicates(t *testing.T) {
	m, c := newMock(t)
	old := m.add("siemfwd", marked, Webhook, object{"url": hook}, 2*time.Hour)
	young := m.add("siemfwd", marked, Webhook, object{"url": hook}, time.Hour)
	out := ensure(t, c, wanted(), State{})
	assert.Equal(t, old, out.Sink.ID)
	require.Len(t, out.Duplicates, 1)
	assert.Equal(t, young, out.Duplicates[0].ID)
	assert.Empty(t, m.writes(), "it was not made in this run")
	again(t, m, c, wanted(), out)
}

func TestEnsureFindsTheNameTaken(t *testing.T) {
	m, c := newMock(t)
	slack := m.add("siemfwd", "", Slack, object{"channel_id": "C1"}, 0)
	_, err := c.Ensure(context.Background(), wanted(), State{})
	require.ErrorContains(t, err, "taken by a sink of type Slack")
	assert.Empty(t, m.writes())
	w := wanted()
	w.Recreate = true
	out := ensure(t, c, w, State{})
	assert.Equal(t, "recreated", out.Did)
	assert.Nil(t, m.find(slack))
	assert.Len(t, m.sinks, 1)
	again(t, m, c, w, out)
}

func TestEnsureAfterALostCreate(t *testing.T) {
	for name, c := range map[string]struct {
		lose, fail int
		waits      []time.Duration
		posts      int
	}{
		"done, the answer lost":      {lose: 1, waits: []time.Duration{2 * time.Second}, posts: 1},
		"not done":                   {fail: 1, waits: []time.Duration{2 * time.Second}, posts: 2},
		"not done twice, then done":  {fail: 2, waits: []time.Duration{2 * time.Second, 4 * time.Second}, posts: 3},
		"not done thrice, then done": {fail: 3, waits: []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}, posts: 4},
	} {
		t.Run(name, func(t *testing.T) {
			m, client := newMock(t)
			m.loseCreate = c.lose
			left := c.fail
			m.before = func(method string, m *mock) {
				if method == "POST" && left > 0 {
					left--
					m.fail = 1
				}
			}
			out := ensure(t, client, wanted(), State{})
			assert.Equal(t, "created", out.Did)
			assert.Equal(t, c.waits, m.waits)
			assert.Len(t, m.writes(), c.posts)
			assert.Len(t, m.sinks, 1)
			again(t, m, client, wanted(), out)
		})
	}
	m, client := newMock(t)
	m.before = func(method string, m *mock) {
		if method == "POST" {
			m.fail = 1
		}
	}
	_, err := client.Ensure(context.Background(), wanted(), State{})
	require.True(t, Is(err, Failed), "%v", err)
	assert.Empty(t, m.sinks)
}

// Another of the same name makes its sink between this one's list and create.
func TestEnsureTakesBackTheLaterOfTwo(t *testing.T) {
	for _, older := range []bool{true, false} {
		m, c := newMock(t)
		age := map[bool]time.Duration{true: time.Hour, false: -time.Hour}[older]
		var other string
		m.before = func(method string, m *mock) {
			if method == "POST" && other == "" {
				other = m.add("siemfwd", marked, Webhook, object{"url": hook}, age)
			}
		}
		out := ensure(t, c, wanted(), State{})
		if older {
			assert.Equal(t, other, out.Sink.ID)
			assert.Len(t, m.sinks, 1)
			assert.Empty(t, out.Did)
			assert.Empty(t, out.Duplicates)
		} else {
			assert.NotEqual(t, other, out.Sink.ID)
			assert.Len(t, m.sinks, 2, "the other takes its own back")
			assert.Len(t, out.Duplicates, 1)
		}
		m.before = nil
		again(t, m, c, wanted(), out)
	}
}

// Two at once agree on one sink in the end.
func TestTwoAtOnce(t *testing.T) {
	for range 5 {
		m, a := newMock(t)
		b := m.client(apiKey)
		var wg sync.WaitGroup
		for _, c := range []*Client{a, b} {
			wg.Go(func() {
				_, err := c.Ensure(context.Background(), wanted(), State{})
				// The other may have taken the sink back before it was looked at.
				if err != nil {
					assert.True(t, Is(err, NotFound), "%v", err)
				}
			})
		}
		wg.Wait()
		first, second := ensure(t, a, wanted(), State{}), ensure(t, b, wanted(), State{})
		assert.Equal(t, first.Sink.ID, second.Sink.ID)
		assert.GreaterOrEqual(t, len(m.sinks), 1)
		assert.LessOrEqual(t, len(m.sinks), 2)
	}
}

func TestEnsureNotices(t *testing.T) {
	m, c := newMock(t)
	m.before = func(method string, m *mock) {
		if n := len(m.calls); method == "GET" && n == 3 {
			m.sinks[0]["configuration"] = object{"Webhook": object{"url": "https://else.example.com/"}}
		}
	}
	_, err := c.Ensure(context.Background(), wanted(), State{})
	require.ErrorContains(t, err, "somebody else")
	assert.NotContains(t, err.Error(), "c4pability")

	// A state of another tenant says nothing.
	m, c = newMock(t)
	id := m.add("x", "", Webhook, object{"url": "https://else.example.com/"}, 0)
	out := ensure(t, c, wanted(), State{TenantID: "another", SinkID: id})
	assert.Equal(t, "created", out.Did)
}

func TestEnsureChecksWhatIsWanted(t *testing.T) {
	m, c := newMock(t)
	for _, change := range []func(w *Wanted){
		func(w *Wanted) { w.TenantID = "" }, func(w *Wanted) { w.Name = "" }, func(w *Wanted) { w.URL = "hooks" },
		func(w *Wanted) { w.URL = "ftp://h/" }, func(w *Wanted) { w.Instance = "" }, func(w *Wanted) { w.Instance = "a b" },
		func(w *Wanted) { w.Instance = "a;b" },
	} {
		w := wanted()
		change(&w)
		_, err := c.Ensure(context.Background(), w, State{})
		assert.Error(t, err)
	}
	assert.Empty(t, m.calls)
}
