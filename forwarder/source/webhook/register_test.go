package webhook

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/source"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// answerOf is what one call of a registrar returns.
type answerOf struct {
	said, keep string
	err        error
}

// register runs a webhook whose registrar gives the answers in turn, and returns the
// memos it got and the pauses between the calls. It ends with the last answer.
func register(t *testing.T, state string, log *lines, meter component.Meter, answers ...answerOf) (memos []string, pauses []time.Duration) {
	cfg := Defaults()
	cfg.Listen, cfg.Path, cfg.Auth = "127.0.0.1:0", "/hook", Auth{Type: "none"}
	env := component.Env{Name: "alerts", Host: "h", State: state, Log: slog.New(slog.NewTextHandler(log, nil)), Meter: meter}
	src, err := NewHub().New(&cfg, nil, env)
	require.NoError(t, err)
	hook, mem := src.(*Source), newMemory()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	k := &kit.Register{Config: func() any { return &struct{}{} }, Open: func(_ any, owner string) (kit.Registrar, error) {
		assert.Equal(t, "h/alerts", owner)
		return func(_ context.Context, memo []byte) (string, []byte, error) {
			assert.NotEmpty(t, hook.Addrs(), "the vendor is not told before somebody listens")
			a := answers[len(memos)]
			memos = append(memos, string(memo))
			return a.said, []byte(a.keep), a.err
		}, nil
	}}
	src, err = Registered(src, k, k.Config(), env)
	require.NoError(t, err)
	require.Implements(t, (*interface{ Addrs() []string })(nil), src, "where it listens is still to be had")
	src.(*registered).wait = func(ctx context.Context, d time.Duration) error {
		if pauses = append(pauses, d); len(pauses) == len(answers) {
			cancel()
		}
		return ctx.Err()
	}
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, mem) }()
	if last := answers[len(answers)-1]; final(last.err) {
		require.Eventually(t, func() bool { return len(log.all()) > 0 }, 10*time.Second, time.Millisecond)
		select {
		case err := <-ended:
			require.Fail(t, "the listener ended", "%v", err)
		default:
		}
		cancel()
	}
	require.NoError(t, <-ended)
	return memos, pauses
}

func TestRegistrationIsLookedAtHourly(t *testing.T) {
	state := filepath.Join(t.TempDir(), "keys", "alerts")
	log, meter := &lines{}, &counts{n: map[string]uint64{}}
	down := errors.New("nobody answers")
	memos, pauses := register(t, state, log, meter,
		answerOf{err: down}, answerOf{err: down}, answerOf{err: down},
		answerOf{said: "was made", keep: "m1"}, answerOf{said: "points here", keep: "m1"}, answerOf{said: "points here", keep: "m2"},
		answerOf{err: &kit.Throttled{For: 3 * time.Hour}}, answerOf{err: down}, answerOf{said: "points here", keep: "m2"})
	assert.Equal(t, []string{"", "", "", "", "m1", "m1", "m2", "m2", "m2"}, memos)
	assert.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, time.Hour, time.Hour, time.Hour, 3 * time.Hour,
		2 * time.Minute, time.Hour}, pauses)
	assert.Len(t, log.all(), 6, "what stays the same is said once")
	kept, err := os.ReadFile(filepath.Join(state, "registered.json"))
	require.NoError(t, err)
	assert.Equal(t, "m2", string(kept))

	// After a restart the memo is there.
	memos, _ = register(t, state, &lines{}, meter, answerOf{said: "points here"})
	assert.Equal(t, []string{"m2"}, memos)
	info, err := os.Stat(filepath.Join(state, "registered.json"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestRegistrationGivesUpWhatIsRefused(t *testing.T) {
	for _, err := range []error{&kit.Denied{Reason: "wrong key"}, &kit.Bad{Reason: "no such tenant"}} {
		log := &lines{}
		memos, pauses := register(t, "", log, &counts{n: map[string]uint64{}}, answerOf{err: err})
		assert.Len(t, memos, 1)
		assert.Empty(t, pauses)
		assert.Contains(t, log.all()[0], "not tried again")
	}
}

func TestRegisteredIsTheSourceItselfWhereNothingIsToBeTold(t *testing.T) {
	cfg := Defaults()
	cfg.Listen, cfg.Path, cfg.Auth = "127.0.0.1:0", "/hook", Auth{Type: "none"}
	src, err := NewHub().New(&cfg, nil, component.Env{})
	require.NoError(t, err)
	none := &kit.Register{Open: func(any, string) (kit.Registrar, error) { return nil, nil }}
	for _, k := range []*kit.Register{nil, none} {
		got, err := Registered(src, k, &struct{}{}, component.Env{})
		require.NoError(t, err)
		assert.Same(t, src, got)
	}
	_, err = Registered(src, &kit.Register{Open: func(any, string) (kit.Registrar, error) { return nil, errors.New("odd") }}, &struct{}{}, component.Env{})
	require.ErrorContains(t, err, "register: odd")
}

func TestWatchReadyTellsWhetherTheLogIsFull(t *testing.T) {
	ready := make(chan struct{})
	mem := newMemory()
	mem.full = func() bool { return true }
	full, tells := watchReady(mem, ready).(interface{ Full() bool })
	require.True(t, tells)
	assert.True(t, full.Full())
	_, tells = watchReady(struct{ source.Log }{mem}, ready).(interface{ Full() bool })
	assert.False(t, tells)
}
