package forwarder

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/deadletter"
)

// letters yields the letters that a filter means, oldest first. A letter's bodies are
// valid until the next one is asked for.
type letters = iter.Seq2[deadletter.Letter, error]

// DeadGroups implements control.Dead.
func (f *Forwarder) DeadGroups(ctx context.Context, ask control.DeadFilter) ([]control.DeadGroup, error) {
	return grouped(ctx, meant(f.dead.All(ask.Since), ask))
}

// DeadLetters implements control.Dead.
func (f *Forwarder) DeadLetters(ctx context.Context, ask control.AskDead, out control.Out[control.Letter]) error {
	return putLetters(ctx, meant(f.dead.All(ask.Since), ask.DeadFilter), ask, out)
}

// ClearDead implements control.Dead. The events stay counted as dead: nobody got them.
func (f *Forwarder) ClearDead(ctx context.Context, ask control.ClearDead) (control.ClearedDead, error) {
	done, err := clearLetters(ctx, f.dead, ask)
	if done.Done || done.Letters > 0 && ask.Yes {
		f.log.Warn("dead letters cleared by hand", "letters", done.Letters, "sink", ask.Sink, "source", ask.Source, "reason", ask.Reason)
	}
	return done, err
}

// DeadGroupsOf is DeadGroups for a state folder that no forwarder has open. It changes
// nothing there.
func DeadGroupsOf(ctx context.Context, cfg *config.Config, ask control.DeadFilter) ([]control.DeadGroup, error) {
	v, err := lookAtDead(cfg)
	if v == nil {
		return nil, err
	}
	return grouped(ctx, meant(v.All(ask.Since), ask))
}

// DeadLettersOf is DeadLetters for a state folder that no forwarder has open. It changes
// nothing there.
func DeadLettersOf(ctx context.Context, cfg *config.Config, ask control.AskDead, out control.Out[control.Letter]) error {
	v, err := lookAtDead(cfg)
	if v == nil {
		return err
	}
	return putLetters(ctx, meant(v.All(ask.Since), ask.DeadFilter), ask, out)
}

// ClearDeadOf is ClearDead for a state folder that no forwarder has open.
func ClearDeadOf(ctx context.Context, cfg *config.Config, ask control.ClearDead) (control.ClearedDead, error) {
	if v, err := lookAtDead(cfg); v == nil {
		return control.ClearedDead{Done: ask.Yes}, err
	}
	s, err := deadletter.Open(filepath.Join(cfg.State, deadDir), nil)
	if err != nil {
		return control.ClearedDead{}, err
	}
	done, err := clearLetters(ctx, s, ask)
	return done, errors.Join(err, s.Close())
}

// lookAtDead looks at the folder of the dead letters; nil without an error is a store that
// nothing has been put into.
func lookAtDead(cfg *config.Config) (*deadletter.View, error) {
	if _, err := os.ReadDir(cfg.State); err != nil {
		return nil, err
	}
	v, err := deadletter.Look(filepath.Join(cfg.State, deadDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return v, err
}

// meant leaves out what a filter does not mean.
func meant(all letters, ask control.DeadFilter) letters {
	ids := slices.Sorted(slices.Values(ask.IDs))
	reason := strings.ToLower(ask.Reason)
	return func(yield func(deadletter.Letter, error) bool) {
		for l, err := range all {
			if err != nil {
				yield(l, err)
				return
			}
			if len(ids) > 0 {
				if l.ID > ids[len(ids)-1] {
					return
				}
				if _, ok := slices.BinarySearch(ids, l.ID); !ok {
					continue
				}
			}
			switch {
			case ask.Sink != "" && l.Sink != ask.Sink, ask.Source != "" && l.Source != ask.Source:
			case !ask.Since.IsZero() && l.At.Before(ask.Since), !ask.Until.IsZero() && !l.At.Before(ask.Until):
			case reason != "" && !strings.Contains(strings.ToLower(l.Reason), reason) && !strings.Contains(strings.ToLower(l.Answer), reason):
			default:
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// mostGroups bounds how many reasons are told apart.
const mostGroups = 1000

// grouped sums letters up by sink, source and reason, the group with the newest letter
// first.
func grouped(ctx context.Context, all letters) ([]control.DeadGroup, error) {
	type key struct{ sink, source, reason string }
	groups := map[key]*control.DeadGroup{}
	for l, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		k, reason := key{l.Sink, l.Source, alike(l.Reason)}, l.Reason
		if groups[k] == nil && len(groups) >= mostGroups {
			k.reason, reason, l.Answer = "", "other reasons", ""
		}
		g := groups[k]
		if g == nil {
			g = &control.DeadGroup{Sink: l.Sink, Source: l.Source, FirstID: l.ID, First: l.First}
			groups[k] = g
		}
		g.Letters++
		g.LastID, g.Last, g.Reason, g.Answer = l.ID, l.At, reason, l.Answer
		if l.First.Before(g.First) {
			g.First = l.First
		}
	}
	list := make([]control.DeadGroup, 0, len(groups))
	for _, g := range groups {
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b control.DeadGroup) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(b.LastID, a.LastID), cmp.Compare(a.Reason, b.Reason))
	})
	return list, nil
}

// alike makes one of reasons that differ in their numbers only.
func alike(reason string) string {
	out := make([]byte, 0, len(reason))
	for i := range len(reason) {
		c := reason[i]
		if c < '0' || c > '9' {
			out = append(out, c)
		} else if n := len(out); n == 0 || out[n-1] != '#' {
			out = append(out, '#')
		}
	}
	return string(out)
}

func putLetters(ctx context.Context, all letters, ask control.AskDead, out control.Out[control.Letter]) error {
	n := uint64(0)
	for l, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		c := control.Letter{ID: l.ID, Sink: l.Sink, Source: l.Source, Position: l.Index, Reason: l.Reason, Answer: l.Answer,
			Attempts: l.Attempts, First: l.First, Last: l.At, Received: l.Received, UID: l.UID, Octets: l.Size}
		if l.Peer.IsValid() {
			c.Peer = l.Peer.String()
		}
		if ask.Bodies {
			c.Raw, c.Rendered = l.Raw, l.Rendered
		}
		if err := out.Put(c); err != nil {
			return err
		}
		if n++; n == ask.Count {
			break
		}
	}
	return nil
}

// clearLetters removes what is meant, a thousand at a time.
func clearLetters(ctx context.Context, s *deadletter.Store, ask control.ClearDead) (done control.ClearedDead, err error) {
	if !ask.All && len(ask.IDs) == 0 && ask.Sink == "" && ask.Source == "" && ask.Reason == "" && ask.Since.IsZero() && ask.Until.IsZero() {
		return done, errors.New("say which dead letters, or that all are meant")
	}
	const most = 1000
	var some []deadletter.Letter
	remove := func() error {
		if err := s.Remove(ctx, some...); err != nil {
			return err
		}
		done.Letters += uint64(len(some))
		some = some[:0]
		return nil
	}
	for l, err := range meant(s.All(ask.Since), ask.DeadFilter) {
		switch {
		case err != nil:
			return done, err
		case ctx.Err() != nil:
			return done, ctx.Err()
		case !ask.Yes:
			done.Letters++
			continue
		}
		if some = append(some, deadletter.Letter{ID: l.ID, Source: l.Source, Sink: l.Sink}); len(some) == most {
			if err := remove(); err != nil {
				return done, err
			}
		}
	}
	if len(some) > 0 {
		err = remove()
	}
	done.Done = ask.Yes && err == nil
	return done, err
}

// lettersOf counts the letters of the store.
func lettersOf(counts []deadletter.Count) (n uint64) {
	for _, c := range counts {
		n += c.Letters
	}
	return n
}
