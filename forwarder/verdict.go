package forwarder

import (
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// Verdict is why a sink does not take an event. The zero Verdict means that it does.
type Verdict struct {
	Why string     // in words, with what the event has for the condition that decided
	At  config.Pos // where the configuration says so; the zero Pos when it does not
}

// Takes reports whether the sink takes the event.
func (v Verdict) Takes() bool { return v.Why == "" }

// String is the reason with the place behind it.
func (v Verdict) String() string {
	if v.At == (config.Pos{}) {
		return v.Why
	}
	return v.Why + " (" + v.At.String() + ")"
}

// Judge decides for one sink as its lanes do, with their filter, and says why. It
// holds no state that a call changes.
type Judge struct {
	sink   *config.Sink
	filter when.Filter
	grades severityRules
}

// NewJudge returns the judge of a sink.
func NewJudge(c *config.Sink) (Judge, error) {
	f, err := filterOf(c)
	if err != nil {
		return Judge{c, f, nil}, err
	}
	grades, err := severitiesOf(c.Severity)
	return Judge{c, f, grades}, err
}

// Severity returns the severity an event has at the sink, if the sink takes it.
func (j *Judge) Severity(r *record.Record) int { return j.grades.of(r) }

// Decide returns why the sink does not take an event of the named source.
func (j *Judge) Decide(source string, r *record.Record) Verdict {
	if !j.sink.Reads(source) {
		at := j.sink.FromPos
		if at == (config.Pos{}) {
			at = j.sink.Pos
		}
		return Verdict{"from does not name " + source, at}
	}
	return j.conditions(r)
}

// conditions leaves aside which sources the sink reads.
func (j *Judge) conditions(r *record.Record) Verdict {
	if r.Test {
		return Verdict{Why: "a sender's test"}
	}
	pass, by := j.filter.Decide(r)
	switch {
	case pass:
		return Verdict{}
	case by.By == when.ByWhen:
		t := j.sink.When[by.Index]
		return Verdict{t.Text + " does not hold" + has(j.filter.When[by.Index], r), t.Pos}
	}
	list := j.sink.Drop[by.Index]
	words := make([]string, len(list))
	for i := range list {
		words[i] = list[i].Text
	}
	return Verdict{"dropped by [" + strings.Join(words, ", ") + "]", list[0].Pos}
}

// Decide tells why a sink's conditions keep a record back, with the line of the
// condition; "" when they let it pass. Which sources the sink reads is left aside.
func Decide(c *config.Sink, r *record.Record) string {
	j, err := NewJudge(c)
	if err != nil {
		return err.Error()
	}
	return j.conditions(r).String()
}

// has tells what r has for a condition that does not hold.
func has(c *when.Cond, r *record.Record) string {
	const most = 80
	value := strings.ToValidUTF8(string(c.AppendValue(nil, r)), "\uFFFD")
	if value == "" {
		return ": there is none"
	}
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return ": it is " + value
}
