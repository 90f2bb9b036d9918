package checkpoint

import (
	"math"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// mostActions bounds how many of an event's actions are put in order: the latest.
const mostActions = 32

// actions are what was done about an event. The zero value is none, of an event that
// does not say.
type actions struct {
	listed bool // the event has a list of them
	count  int
	time   record.Time // of the latest; zero when none has one
	n      int
	latest [mostActions]action // in the order of time, those of one time as they were sent
}

type action struct {
	kind  []byte
	nanos int64
}

// read reads the list at field i, or one action in its place, and rewrites its times.
func (a *actions) read(r *record.Record, i int) {
	from, end := i+1, i+1+int(r.Fields[i].Size)
	a.listed = true
	if r.Fields[i].Kind == record.Map {
		from = i
	}
	for ; from < end; from += 1 + int(r.Fields[from].Size) {
		a.count++
		if r.Fields[from].Kind != record.Map {
			r.Warn("wrong_type", record.Bytes("actions"))
			continue
		}
		one := action{nanos: math.MinInt64}
		if at := r.Find(from, "actionType"); at >= 0 {
			one.kind = r.Fields[at].Text
		}
		if at := r.Find(from, "createTime"); at >= 0 {
			if t := timeOf(r, at); !t.IsZero() {
				one.nanos = t.Nanos
				if a.time.IsZero() || t.Nanos > a.time.Nanos {
					a.time = t
				}
			}
		}
		a.add(one)
	}
}

// add puts one action in its place.
func (a *actions) add(one action) {
	if a.n == len(a.latest) {
		if one.nanos < a.latest[0].nanos {
			return
		}
		copy(a.latest[:], a.latest[1:])
		a.n--
	}
	at := a.n
	for ; at > 0 && a.latest[at-1].nanos > one.nanos; at-- {
		a.latest[at] = a.latest[at-1]
	}
	a.latest[at] = one
	a.n++
}

// last is the type of the latest action.
func (a *actions) last() []byte {
	if a.n == 0 {
		return nil
	}
	return a.latest[a.n-1].kind
}

// joined is the types in the order of time.
func (a *actions) joined(r *record.Record) []byte {
	if a.n <= 1 {
		return a.last()
	}
	size := a.n
	for i := range a.latest[:a.n] {
		size += len(a.latest[i].kind)
	}
	b := r.Begin(size)
	for i := range a.latest[:a.n] {
		b = appendItem(b, a.latest[i].kind)
	}
	return r.End(b)
}

// available joins the names of the actions in the list at field i, each once.
func available(r *record.Record, i int) []byte {
	from, end := i+1, i+1+int(r.Fields[i].Size)
	if r.Fields[i].Kind == record.Map {
		from = i
	}
	var names [mostActions][]byte
	n, size := 0, 0
	for ; from < end && n < len(names); from += 1 + int(r.Fields[from].Size) {
		name := r.Fields[from].Text
		if at := -1; r.Fields[from].Kind == record.Map {
			if at = r.Find(from, "actionName"); at >= 0 {
				name = r.Fields[at].Text
			}
		}
		if len(name) > 0 && !has(names[:n], name) {
			names[n] = name
			n++
			size += len(name) + 1
		}
	}
	if n == 1 {
		return names[0]
	}
	b := r.Begin(size)
	for _, name := range names[:n] {
		b = appendItem(b, name)
	}
	return r.End(b)
}

func has(names [][]byte, name []byte) bool {
	for _, n := range names {
		if string(n) == string(name) {
			return true
		}
	}
	return false
}

func appendItem(dst, item []byte) []byte {
	if len(item) == 0 {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ';')
	}
	return append(dst, item...)
}
