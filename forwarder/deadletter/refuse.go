package deadletter

import (
	"context"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// Next is the ID that the next letter gets.
func (s *Store) Next() uint64 { return s.spool.Stats().Next }

// Refuse puts each of again, which a receiver has refused once more, in the place of the
// letter of the same number in letters, which All has yielded: durably both or neither.
// It returns their new IDs; 0 for those whose old letter has been removed meanwhile, which
// stay away.
func (s *Store) Refuse(ctx context.Context, letters, again []Letter) (ids []uint64, err error) {
	ids = make([]uint64, len(again))
	var gone set
	added := uint64(0)
	err = s.change(ctx, func(w *writer, counts map[pair]uint64) {
		s.mu.Lock()
		gone = append(gone, s.gone...)
		s.mu.Unlock()
		now := s.now()
		for i := range letters {
			old, l := &letters[i], &again[i]
			if gone.has(old.ID) {
				continue
			}
			gone = gone.add(old.ID)
			counts[pair{old.Source, old.Sink}] -= min(counts[pair{old.Source, old.Sink}], 1)
			w.buf = l.fit().Append(w.buf[:0])
			w.batch.Add(event.Raw{Data: w.buf, Time: now, Peer: l.Peer})
			counts[pair{l.Source, l.Sink}]++
			added++
			ids[i] = added
		}
		w.batch.Marks = append(w.batch.Marks, event.Mark{Key: markGone, Value: gone.append(nil)})
	}, func() {
		s.gone = gone
		before := s.spool.Stats().Next - added // only the one whose turn it is appends
		for i := range ids {
			if ids[i] > 0 {
				ids[i] += before - 1
			}
		}
	})
	if err == nil && added > 0 {
		s.release(gone)
	}
	return ids, err
}
