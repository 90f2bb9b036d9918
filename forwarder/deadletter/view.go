package deadletter

import (
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// View is a store of dead letters as it was at one moment, read from its folder. It
// takes no lock and changes nothing, so it may be had beside the process that has the
// store open. It is used by one goroutine at a time.
type View struct {
	log    *spool.View
	gone   set
	counts map[pair]uint64
	bodies *View // of the letters for NoSink; nil in that view itself, and when there is none
}

// Look looks at the store in dir. The error is that of a folder that cannot be listed.
func Look(dir string) (*View, error) {
	v, err := look(dir)
	if err != nil {
		return nil, err
	}
	if v.bodies, err = look(filepath.Clean(dir) + bodiesExt); errors.Is(err, fs.ErrNotExist) {
		v.bodies, err = nil, nil
	}
	return v, err
}

func look(dir string) (*View, error) {
	log, err := spool.Look(dir, nil)
	if err != nil {
		return nil, err
	}
	v := &View{log: log, counts: map[pair]uint64{}}
	// As in Open: marks that cannot be read cost no letter.
	v.gone, _ = parseSet(log.Mark(markGone))
	if parseCounts(log.Mark(markCounts), v.counts) != nil {
		clear(v.counts)
		for l, err := range v.own(time.Time{}) {
			if err != nil {
				return nil, err
			}
			v.counts[pair{l.Source, l.Sink}]++
		}
	}
	return v, nil
}

// All is Store.All.
func (v *View) All(since time.Time) iter.Seq2[Letter, error] {
	return joined(v.own(since), v.bodies.own(since))
}

func (v *View) own(since time.Time) iter.Seq2[Letter, error] {
	if v == nil {
		return func(func(Letter, error) bool) {}
	}
	return letters(v.log.Range(since, time.Time{}), v.gone)
}

// Counts is Store.Counts.
func (v *View) Counts() []Count { return listed(v.counts, v.bodies.own(time.Time{})) }

// Bytes is the size of the store on disk.
func (v *View) Bytes() int64 {
	n := v.log.Bytes()
	if v.bodies != nil {
		n += v.bodies.log.Bytes()
	}
	return n
}

// Logs are the logs the letters stand in: that of those for NoSink comes second, if there
// is one.
func (v *View) Logs() []*spool.View {
	logs := []*spool.View{v.log}
	if v.bodies != nil {
		logs = append(logs, v.bodies.log)
	}
	return logs
}

// View returns the store as it is now, without reading its folder.
func (s *Store) View() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &View{log: s.spool.View(), gone: s.gone, counts: s.counts} // neither is changed, only replaced
	if s.bodies != nil {
		v.bodies = s.bodies.View()
	}
	return v
}
