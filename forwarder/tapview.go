package forwarder

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/forwarder/spool"
)

// tapView is one way to look at an event: that of a sink, or none in particular.
type tapView struct {
	sink   string // "": none
	judge  *Judge // nil: nothing is left out
	format formatters.Formatter
}

// tapViews are the ways to look at events that are asked for.
func tapViews(cfg *config.Config, host string, ask control.Tap) (views []tapView, err error) {
	var format formatters.Formatter
	name := ask.As
	if name == "record" {
		name = "json"
	}
	if name != "" {
		if format, err = formatters.New(name, formatters.Options{Host: host, Raw: true}); err != nil {
			return nil, err
		}
	}
	if len(ask.Sinks) == 0 && !ask.Dropped {
		return []tapView{{format: format}}, nil
	}
	for i := range cfg.Sinks {
		c := &cfg.Sinks[i]
		if len(ask.Sinks) > 0 && !slices.Contains(ask.Sinks, c.Name) {
			continue
		}
		v := tapView{sink: c.Name, format: format}
		judge, err := NewJudge(c)
		if err != nil {
			return nil, err
		}
		v.judge = &judge
		if format == nil && !ask.Dropped && !ask.Raw {
			if v.format, err = formatOf(c, host); err != nil {
				return nil, err
			}
		}
		views = append(views, v)
	}
	for _, n := range ask.Sinks {
		if !slices.ContainsFunc(views, func(v tapView) bool { return v.sink == n }) {
			return nil, fmt.Errorf("there is no sink %q", n)
		}
	}
	return views, nil
}

// line is what a view shows of the record; ok is false when that is nothing.
func (t *tap) line(v *tapView, source string, e *spool.Entry) (l control.Tapped, ok bool, err error) {
	r := &t.rec
	l = control.Tapped{Source: source, Sink: v.sink, Position: e.Index, Received: e.Time, UID: string(r.AppendUID(nil)),
		Severity: r.Severity, Class: text(r.Class), Name: text(r.Name), Facts: facts(r), Message: text(r.Message)}
	if v.judge != nil {
		verdict := v.judge.Decide(source, r)
		if verdict.Takes() == t.Dropped {
			return l, false, nil
		}
		l.Reason = verdict.Why
		if verdict.Takes() {
			l.Severity = v.judge.Severity(r)
		}
		if verdict.At != (config.Pos{}) {
			l.Line = verdict.At.String()
		}
	}
	switch {
	case t.Raw:
		l.Out = e.Data
	case v.format != nil:
		if l.Out, err = v.format.Append(nil, r); err != nil {
			l.Message, l.Out = "cannot be rendered: "+err.Error(), nil
		}
	}
	return l, true, nil
}

func text(b []byte) string { return string(bytes.ToValidUTF8(b, []byte("\uFFFD"))) }

// facts lists what people look for first.
func facts(r *record.Record) string {
	var b strings.Builder
	for _, k := range [...]record.Key{record.UserName, record.SrcIP, record.DstUser, record.DstIP, record.DstHost, record.Service,
		record.PolicyName, record.FileName, record.ProcessName, record.ThreatName, record.ObjectName} {
		if v := r.Get(k); len(v) > 0 {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(record.Keys[k].Name)
			b.WriteByte('=')
			b.WriteString(text(v))
		}
	}
	return b.String()
}
