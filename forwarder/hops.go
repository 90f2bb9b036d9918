package forwarder

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/spool"
	"github.com/siemfwd/siemfwd/forwarder/trail"
)

// event describes the record, without its way.
func (t *tracer) event(l *traceLog, e *spool.Entry) *control.TracedEvent {
	r := &t.rec
	return &control.TracedEvent{UID: string(r.AppendUID(nil)), ID: text(r.ID), Source: l.cfg.Name, Position: e.Index, Received: e.Time,
		Time: r.When().Go(), Severity: r.Severity, Class: text(r.Class), Name: text(r.Name), Message: text(r.Message)}
}

// tell describes the record with the way it went.
func (t *tracer) tell(l *traceLog, e *spool.Entry) *control.TracedEvent {
	ev := t.event(l, e)
	ev.Hops = append(ev.Hops, control.Hop{Stage: control.HopReceived, To: e.Time, Words: receivedWords(l, e)}, storedHop(l), readHop(l, &t.rec))
	for i := range t.cfg.Sinks {
		ev.Hops = append(ev.Hops, t.hops(l, e, &t.cfg.Sinks[i])...)
	}
	for i := range t.replays {
		ev.Hops = append(ev.Hops, t.again(l, e, &t.replays[i])...)
	}
	return ev
}

func (t *tracer) folder() replayFolder { return replayFolder(filepath.Join(t.cfg.State, replaysDir)) }

// again tells what became of an event in a replay; nothing when it was not part of it.
func (t *tracer) again(l *traceLog, e *spool.Entry, st *replayState) []control.Hop {
	sink := sinkOf(t.cfg, st.Sink)
	if st.Source != l.cfg.Name || sink == nil || e.Index < st.First || e.Index >= st.End || e.Time.Before(st.Since) || !e.Time.Before(st.Until) {
		return nil
	}
	cond, err := condition(st.When)
	judge, err2 := NewJudge(sink)
	if errors.Join(err, err2) != nil || !judge.Decide(l.cfg.Name, &t.rec).Takes() || cond != nil && !cond.Match(&t.rec) {
		return nil
	}
	if dead := t.dead(l.cfg.Name, e, st.Sink, st.ID); len(dead) > 0 {
		return dead
	}
	hop := control.Hop{Stage: control.HopReplayed, Sink: st.Sink, Words: "by replay " + st.ID}
	if e.Index >= st.Next {
		hop.Stage, hop.Words = control.HopWaiting, "replay "+st.ID+" has not come to it"
		return []control.Hop{hop}
	}
	story := trail.Of(e.Index, trail.Read(t.folder().trail(st.ID)))
	if n := len(story.Passes); n > 0 {
		hop.From, hop.To = story.Passes[n-1].From, story.Passes[n-1].To
	}
	return []control.Hop{hop}
}

func receivedWords(l *traceLog, e *spool.Entry) string {
	words := fmt.Sprintf("by %s (%s)", l.cfg.Name, l.cfg.Type)
	if e.Peer.IsValid() {
		words += " from " + e.Peer.String()
	}
	words += fmt.Sprintf(", %d octets, event %d of its spool", len(e.Data), e.Index)
	if e.Cut() {
		words += fmt.Sprintf("; cut, %d octets were sent", e.Size)
	}
	return words
}

func storedHop(l *traceLog) control.Hop {
	h := control.Hop{Stage: control.HopStored, Words: "synced to disk before it counted as taken (sync: batch)"}
	if l.cfg.Sync == "os" {
		h.Words = "written; when it reaches the disk is the kernel's decision (sync: os)"
	}
	return h
}

func readHop(l *traceLog, r *record.Record) control.Hop {
	words := "as " + l.vendor.Product
	for i, w := range r.Warnings {
		if i == 0 {
			words += "; warnings"
		}
		words += " " + w.Kind
		if len(w.Detail) > 0 {
			words += ":" + text(w.Detail)
		}
	}
	return control.Hop{Stage: control.HopRead, Words: words}
}

// hops tells what became of an event on its way to one sink.
func (t *tracer) hops(l *traceLog, e *spool.Entry, s *config.Sink) (again []control.Hop) {
	hop := control.Hop{Sink: s.Name}
	at, begun := t.cursor(l, s.Name)
	story := trail.Of(e.Index, trail.Read(trailOf(t.cfg.State, l.cfg.Name, s.Name)))
	if dead := t.dead(l.cfg.Name, e, s.Name, ""); len(dead) > 0 {
		return dead
	}
	for _, at := range story.Died {
		again = append(again, control.Hop{Stage: control.HopDead, Sink: s.Name, To: at, Words: "refused; its dead letter has been sent again or removed since"})
	}
	if len(again) > 0 {
		return again
	}
	judge, err := NewJudge(s)
	if err != nil {
		hop.Words = err.Error()
		return []control.Hop{hop}
	}
	if v := judge.Decide(l.cfg.Name, &t.rec); !v.Takes() {
		hop.Stage, hop.Words = control.HopFiltered, v.Why
		if v.At != (config.Pos{}) {
			hop.Line = v.At.String()
		}
		if !s.Reads(l.cfg.Name) {
			hop.Stage = control.HopExcluded
		}
		return []control.Hop{hop}
	}
	switch {
	case !story.Began.IsZero():
		hop.Stage, hop.Words = control.HopExcluded, "the sink began with later events, at "+clock(story.Began)
	case !story.Unsent.IsZero():
		hop.Stage, hop.To, hop.Words = control.HopUnsent, story.Unsent, "passed over by hand (queue clear)"
	case !begun:
		hop.Stage, hop.Words = control.HopWaiting, "the sink has not run yet"
	case at > e.Index:
		return passes(hop, story, e.Time)
	default:
		if len(story.Passes) > 0 { // it was sent, and a crash took the cursor back
			again = passes(hop, story, e.Time)
		}
		return append(again, t.waiting(hop, at, e.Index))
	}
	return []control.Hop{hop}
}

// waiting tells what is before an event that is still to be sent.
func (t *tracer) waiting(h control.Hop, cursor, index uint64) control.Hop {
	h.Stage, h.Words = control.HopWaiting, "it is the next to be confirmed"
	if n := index - cursor; n > 0 {
		h.Words = fmt.Sprintf("%d events are before it", n)
	}
	if why := t.down(h.Sink); why != "" {
		h.Words += "; " + why
	}
	return h
}

// passes tells when the cursor went over an event that the sink takes.
func passes(h control.Hop, story trail.Story, received time.Time) (hops []control.Hop) {
	h.Stage = control.HopDelivered
	for i, p := range story.Passes {
		h.From, h.To = p.From, p.To
		if h.From.Before(received) {
			h.From = received
		}
		if i > 0 {
			h.Words = "sent again: the forwarder was started again before it had noted the first time"
		}
		hops = append(hops, h)
	}
	switch {
	case len(hops) > 0:
	case !story.Before.IsZero():
		h.To, h.Words = story.Before, "or earlier: the trail begins there"
		hops = append(hops, h)
	default:
		h.Words = "when is not known: the trail does not tell"
		hops = append(hops, h)
	}
	return hops
}

// dead tells of the dead letters of an event from a replay, or from the lane when that is "".
func (t *tracer) dead(source string, e *spool.Entry, sink, replay string) (hops []control.Hop) {
	if t.letters == nil {
		return nil
	}
	for l, err := range t.letters.All(e.Time) {
		if err != nil {
			break
		}
		if l.Source == source && l.Sink == sink && l.Index == e.Index && l.Received.Equal(e.Time) && l.Replay == replay {
			hops = append(hops, letterHop(&l))
		}
	}
	return hops
}

func letterHop(l *deadletter.Letter) control.Hop {
	words := l.Reason
	if l.Answer != "" {
		words += "; it answered: " + strings.ToValidUTF8(l.Answer, "\uFFFD")
	}
	if l.Replay != "" {
		words = "in replay " + l.Replay + ": " + words
	}
	return control.Hop{Stage: control.HopDead, Sink: l.Sink, To: l.First, Words: words, Letter: l.ID}
}
