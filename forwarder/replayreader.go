package forwarder

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// errReplayed ends the lane of a replay: everything has been sent and confirmed.
var errReplayed = errors.New("replay is done")

// replayBatch is the most a replay hands to a sink at once. It takes turns with the live
// lanes, which must not wait long for theirs.
const replayBatch = 256

// replayReader is what the lane of a replay reads: a stretch of the log, without the
// events the replay leaves out, at its pace. It has no cursor of its own in the log, so
// it keeps nothing from being removed: what goes before it is read is counted.
type replayReader struct {
	*spool.Reader
	log     *spool.Spool
	lane    *lane      // reads events as it does when it sends them, and decides
	cond    *when.Cond // nil: none
	since   time.Time
	until   time.Time
	end     uint64        // the index to stop at
	limiter *rate.Limiter // nil: no bound

	expect uint64 // index of the next event that was not looked at

	mu   sync.Mutex // around the rest
	at   spool.Pos  // everything before is done with
	time time.Time  // when the newest event was received that was looked at
	gaps []gap      // behind at
	gone uint64     // events before at that were not there
}

// gap is a range of indices that are not there.
type gap struct{ from, to uint64 }

// newReplayReader begins at an index. Its lane is to be set.
func newReplayReader(log *spool.Spool, next, end uint64) *replayReader {
	at := spool.Pos{Index: next}
	return &replayReader{Reader: log.ReaderAt(at), log: log, expect: next, end: end, at: at}
}

// pace bounds how many events are sent in a second.
func (r *replayReader) pace(perSecond float64) {
	if perSecond > 0 {
		r.limiter = rate.NewLimiter(rate.Limit(perSecond), max(1, min(int(perSecond/20), replayBatch)))
	}
}

// NextOr implements laneReader.
func (r *replayReader) NextOr(ctx context.Context, run *spool.Run, limits spool.Limits, other <-chan struct{}) error {
	for {
		run.Entries = run.Entries[:0]
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.expect >= r.end {
			return r.over(ctx, other)
		}
		n, err := r.allowed(ctx, other)
		if err != nil || n == 0 {
			return err
		}
		limits.Events = min(limits.Events, n)
		if err := r.Poll(run, limits); err != nil {
			return err
		}
		if len(run.Entries) == 0 {
			r.missing(r.end) // damaged to its end
			continue
		}
		r.choose(run)
		if k := len(run.Entries); k > 0 {
			if r.limiter != nil {
				r.limiter.AllowN(time.Now(), k)
			}
			return nil
		}
	}
}

// over waits until everything is confirmed, and says that it is.
func (r *replayReader) over(ctx context.Context, other <-chan struct{}) error {
	if other != nil {
		select {
		case <-other:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_ = r.Commit(spool.Pos{Index: r.end})
	return errReplayed
}

// allowed waits until something may be sent and returns how much; 0 when other was
// closed first.
func (r *replayReader) allowed(ctx context.Context, other <-chan struct{}) (int, error) {
	if r.limiter == nil {
		return replayBatch, nil
	}
	want := float64(r.limiter.Burst())
	for {
		have := r.limiter.Tokens()
		if have >= want {
			return int(have), nil
		}
		t := time.NewTimer(time.Duration((want-have)/float64(r.limiter.Limit())*float64(time.Second)) + time.Millisecond)
		select {
		case <-t.C:
		case <-other:
			t.Stop()
			return 0, nil
		case <-ctx.Done():
			t.Stop()
			return 0, ctx.Err()
		}
	}
}

// choose leaves in run what is to be sent.
func (r *replayReader) choose(run *spool.Run) {
	k := 0
	for i := range run.Entries {
		e := run.Entries[i]
		if e.Index >= r.end {
			r.missing(r.end)
			break
		}
		r.missing(e.Index)
		r.expect = e.Index + 1
		if r.wants(&e) {
			run.Entries[k] = e
			k++
		}
	}
	run.Entries = run.Entries[:k]
}

// missing takes note that there are no events up to an index.
func (r *replayReader) missing(to uint64) {
	if to > r.expect {
		r.mu.Lock()
		r.gaps = append(r.gaps, gap{r.expect, to})
		r.mu.Unlock()
		r.expect = to
	}
}

// wants reports whether an event is to be sent.
func (r *replayReader) wants(e *spool.Entry) bool {
	r.mu.Lock()
	r.time = e.Time
	r.mu.Unlock()
	if e.Time.Before(r.since) || !e.Time.Before(r.until) {
		return false
	}
	return r.lane.read(e) && (r.cond == nil || r.cond.Match(&r.lane.rec))
}

// Commit implements laneReader.
func (r *replayReader) Commit(p spool.Pos) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Index <= r.at.Index {
		return nil
	}
	r.at = p
	for len(r.gaps) > 0 && r.gaps[0].to <= p.Index {
		r.gone += r.gaps[0].to - r.gaps[0].from
		r.gaps = r.gaps[1:]
	}
	return nil
}

// Rewind implements laneReader.
func (r *replayReader) Rewind() {
	r.Reader.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Reader, r.expect, r.gaps = r.log.ReaderAt(r.at), r.at.Index, nil
}

// Skipped implements laneReader: a replay tells itself what is gone.
func (r *replayReader) Skipped() spool.Skipped { return spool.Skipped{} }

// Position implements laneReader.
func (r *replayReader) Position() spool.Pos {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// progress returns up to where everything is done with, how much of that was not there,
// and when the newest event was received that was looked at.
func (r *replayReader) progress() (at, gone uint64, newest time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at.Index, r.gone, r.time
}
