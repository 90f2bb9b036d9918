package forwarder

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Where replays are, in the state folder: a file for each, with its trail beside it.
const (
	replaysDir = "replays"
	replayExt  = ".json"
	trailExt   = ".trail"
)

// mostReplays is how many that are done are remembered.
const mostReplays = 100

// replayState is what is kept of a replay. Indices are of the log of its source.
type replayState struct {
	ID      string    `json:"id"`
	Words   string    `json:"words"` // what was asked for, as it was written
	Source  string    `json:"source"`
	Sink    string    `json:"sink"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	When    string    `json:"when,omitempty"`
	Started time.Time `json:"started"`
	Changed time.Time `json:"changed"`
	First   uint64    `json:"first"`
	End     uint64    `json:"end"`
	Next    uint64    `json:"next"` // everything before is done with
	Sent    uint64    `json:"sent"`
	Dead    uint64    `json:"dead"`
	Gone    uint64    `json:"gone"`
	Done    bool      `json:"done"`
}

// replayFolder keeps the states of replays. Its methods are called by one goroutine at
// a time.
type replayFolder string

func (d replayFolder) path(id string) string { return filepath.Join(string(d), id+replayExt) }

// trail is the folder of a replay's trail.
func (d replayFolder) trail(id string) string { return filepath.Join(string(d), id+trailExt) }

// all returns the replays that can be read, oldest first.
func (d replayFolder) all(log *slog.Logger) (list []replayState) {
	entries, _ := os.ReadDir(string(d))
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), replayExt)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		st, err := d.load(id)
		if err != nil {
			log.Warn("replay cannot be read, it does not go on", "file", d.path(id), "err", err)
			continue
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b replayState) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) })
	return list
}

func (d replayFolder) load(id string) (st replayState, err error) {
	b, err := os.ReadFile(d.path(id))
	if err != nil {
		return st, err
	}
	if st, err = parseReplay(b); err == nil && st.ID != id {
		err = fmt.Errorf("it is of %q", st.ID)
	}
	return st, err
}

// parseReplay reads a state and holds it against what every state has.
func parseReplay(b []byte) (st replayState, err error) {
	if err := json.Unmarshal(b, &st); err != nil {
		return st, err
	}
	n := st.Next - st.First
	switch {
	case st.ID == "" || st.Source == "" || st.Sink == "":
		err = errors.New("incomplete")
	case st.First > st.Next || st.Next > st.End || st.Sent > n || st.Dead > n-st.Sent || st.Gone > n-st.Sent-st.Dead:
		err = errors.New("its numbers do not add up")
	}
	return st, err
}

// save makes a state durable.
func (d replayFolder) save(st replayState) error {
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	tmp := d.path(st.ID) + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, d.path(st.ID))
}

// find returns the latest replay of those words; ok is false when there is none.
func (d replayFolder) find(words string, log *slog.Logger) (st replayState, ok bool) {
	for _, s := range slices.Backward(d.all(log)) {
		if s.Words == words {
			return s, true
		}
	}
	return st, false
}

// name returns an id for a replay that begins now.
func (d replayFolder) name(now time.Time) string {
	id := now.UTC().Format("20060102T150405Z")
	for n := 2; ; n++ {
		if _, err := os.Lstat(d.path(id)); err != nil {
			return id
		}
		id = fmt.Sprintf("%s-%d", now.UTC().Format("20060102T150405Z"), n)
	}
}

// tidy forgets the oldest of those that are done.
func (d replayFolder) tidy(log *slog.Logger) {
	list := d.all(log)
	for _, st := range list {
		if len(list) <= mostReplays {
			return
		}
		if st.Done {
			d.remove(st.ID, log)
			list = list[1:]
		}
	}
}

func (d replayFolder) remove(id string, log *slog.Logger) {
	if err := errors.Join(os.Remove(d.path(id)), os.RemoveAll(d.trail(id))); err != nil {
		log.Warn("old replay cannot be removed", "err", err)
	}
}
