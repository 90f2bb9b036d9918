package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// openSplunk starts the Splunk that is asked for, which misbehaves like the APIs of o.
func (s *simulation) openSplunk(o *simulate.Options) (err error) {
	if s.splunkAt == "" {
		return nil
	}
	s.splunk, err = simulate.StartSplunk(simulate.SplunkOptions{
		Listen: s.splunkAt, Seed: s.seed, Either: true, AckAfter: 2 * time.Second, Faults: o.Splunk(),
	})
	if errors.Is(err, simulate.ErrAddress) {
		return usage("--splunk: %v", err)
	}
	return err
}

func (s *simulation) introduceSplunk() {
	if s.splunk != nil {
		s.say("# As a sink:\nsinks:\n  splunk: {type: splunk_hec, url: \"%s\", token: %s, ack: true}", s.splunk.URL, simulate.SplunkToken)
	}
}

// reportSplunk says what the Splunk got.
func (s *simulation) reportSplunk() error {
	if s.splunk == nil {
		return nil
	}
	row := struct {
		Name    string         `json:"name"`
		What    string         `json:"what"`
		Events  int            `json:"events"`  // different ones
		Twice   int            `json:"twice"`   // of them, that were indexed more than once
		Excused int            `json:"excused"` // of those, whose answer or acknowledgement was lost
		Calls   map[string]int `json:"calls"`   // by what was answered
	}{Name: "splunk", What: "splunk", Calls: s.splunk.Answers()}
	for id, n := range s.splunk.Counts() {
		row.Events++
		if n > 1 {
			if row.Twice++; s.splunk.Excused(id) {
				row.Excused++
			}
		}
	}
	if s.output == "json" {
		return s.json(row)
	}
	var answers []string
	for _, k := range slices.Sorted(maps.Keys(row.Calls)) {
		answers = append(answers, fmt.Sprintf("%d × %s", row.Calls[k], k))
	}
	line := "splunk: " + strings.Join(append([]string{plural(row.Events, "event")}, answers...), ", ")
	if row.Twice > 0 {
		line += fmt.Sprintf("; %d indexed more than once, of %d the answer or acknowledgement was lost", row.Twice, row.Excused)
	}
	_, err := fmt.Fprintln(s.out, line)
	return err
}
