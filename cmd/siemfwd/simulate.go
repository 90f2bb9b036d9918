package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/forwarder/simulate"
)

// simulation is one call of `simulate`.
type simulation struct {
	*app
	listen          []string // of the APIs, in the order of simulate.Kinds
	send            []string
	bad, rate       string
	auth, token, ca string // of what is sent
	lasts, past     time.Duration
	seed            uint64
	splunkAt        string

	splunk  *simulate.Splunk // nil: none
	apis    []simulated
	senders []*sending
}

// simulated is one API that runs.
type simulated struct {
	kind simulate.Kind
	*simulate.API
}

// polled reports whether a source can poll it.
func (a simulated) polled() bool { return len(a.kind.Login) > 0 }

// source is a source that polls it, as one line of YAML without its end.
func (a *simulated) source(name, secret string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s: {type: poll, vendor: %s, base_url: \"%s\"", name, a.kind.Name, a.URL)
	for i, l := range a.kind.Login {
		if i == len(a.kind.Login)-1 {
			l[1] = secret
		}
		fmt.Fprintf(&b, ", %s: \"%s\"", l[0], l[1])
	}
	return b.String()
}

// simulateFor is how long events go on when nobody says.
const simulateFor = 24 * time.Hour

func simulateCommand(a *app) *cobra.Command {
	s := &simulation{app: a}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Stand in for the products, their APIs and webhooks, and for Splunk, on this machine",
		Long: `Answer as the APIs of Check Point, Skyhigh and Scanner do, and post webhooks, so that
siemfwd run can be tried before there are credentials; configs/examples/simulated.yaml
fits. With --splunk, take events as Splunk's HTTP Event Collector does. It takes invented
credentials, and listens on loopback only. At the end it tells what was handed out and how
often it was asked.

What --send posts are the samples of a vendor: to a URL, with the credential that --auth
says in the words of a source's auth, or to the webhook NAME of the configuration -c,
with what that one asks for:
` + sendExamples + `
--bad takes a list of:
` + badWords() + `  all            all of these, with Retry-After`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.signals(cmd.Context(), 0)
			defer stop()
			return s.run(ctx)
		},
	}
	f := cmd.Flags()
	s.listen = make([]string, len(simulate.Kinds()))
	for i, k := range simulate.Kinds() {
		f.StringVar(&s.listen[i], k.Name, fmt.Sprintf("127.0.0.1:%d", 9701+i), "`ADDRESS` of the "+k.Doc+"; empty: none")
	}
	f.StringVar(&s.splunkAt, "splunk", "", "`ADDRESS` of a Splunk to send to: its HTTP Event Collector; empty: none")
	f.StringArrayVar(&s.send, "send", nil, "post samples to this webhook, `[VENDOR=]URL|NAME`: the vendor may be the end of the path; NAME is a source of -c")
	f.StringVar(&s.auth, "auth", "", "what is shown to the URLs of --send, as a source's auth says it, `'{type: …}'|help`; help lists the types and their keys")
	f.StringVar(&s.token, "token", "", "the same as --auth '{type: bearer, token: …}'")
	f.StringVar(&s.ca, "ca", "", "`FILE` with the authorities of webhooks that have https")
	f.StringVar(&s.bad, "bad", "", "misbehave: a `LIST` of the words above")
	f.StringVar(&s.rate, "rate", "2/s", "how many events a second each API and webhook has")
	f.DurationVar(&s.past, "past", 10*time.Minute, "how long there have been events already")
	f.DurationVar(&s.lasts, "for", 0, "end after this long; 0s: when it is stopped, with new events for a day")
	f.Uint64Var(&s.seed, "seed", 1, "where chance begins")
	return cmd
}

func badWords() string {
	var b strings.Builder
	for _, w := range simulate.Words() {
		fmt.Fprintf(&b, "  %-14s %s\n", w.Name, w.Doc)
	}
	return b.String()
}

func (s *simulation) run(ctx context.Context) error {
	o := simulate.Options{Seed: s.seed}
	pace, err := parseRate(s.rate)
	if err != nil {
		return usage("--rate %s: %v", s.rate, err)
	}
	if err := o.Misbehave(s.bad); err != nil {
		return usage("--bad %s: %v; siemfwd simulate -h lists them", s.bad, err)
	}
	if s.past < 0 || s.lasts < 0 {
		return usage("--past and --for: a time cannot be negative")
	}
	ahead := s.lasts
	if ahead == 0 {
		ahead = simulateFor
	}
	o.Start = time.Now().Add(o.Skew - s.past)
	o.For = s.past + ahead
	o.Events = int(o.For.Seconds() * float64(pace.Limit()))
	if err := s.openSenders(simulate.Sender{Fresh: true, Every: time.Duration(float64(time.Second) / float64(pace.Limit())), Seed: s.seed, Faults: o.Faults}); err != nil {
		return err
	}
	defer s.close()
	if err := s.openAPIs(o); err != nil {
		return err
	}
	if err := s.openSplunk(&o); err != nil {
		return err
	}
	s.introduce()
	if s.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.lasts)
		defer cancel()
	}
	var senders sync.WaitGroup
	for _, d := range s.senders {
		senders.Go(func() { d.err = d.Run(ctx, d.answered) })
	}
	<-ctx.Done()
	senders.Wait()
	return s.report()
}

func (s *simulation) openAPIs(o simulate.Options) error {
	for i, k := range simulate.Kinds() {
		if o.Listen = s.listen[i]; o.Listen == "" {
			continue
		}
		api, err := k.Start(o)
		if errors.Is(err, simulate.ErrAddress) {
			return usage("--%s: %v", k.Name, err)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
		s.apis = append(s.apis, simulated{k, api})
	}
	if len(s.apis)+len(s.senders) == 0 && s.splunkAt == "" {
		return usage("nothing to simulate: say --send, or where one of the APIs shall listen")
	}
	return nil
}

// introduce says how to reach what runs.
func (s *simulation) introduce() {
	defer s.introduceSplunk()
	for _, a := range s.apis {
		if !a.polled() {
			s.say("# The %s, with SIMULATED=%s in the environment:\n# %s", a.kind.Doc, simulate.Secret, strings.ReplaceAll(a.kind.Use(a.URL), "\n", "\n# "))
		}
	}
	if !slices.ContainsFunc(s.apis, simulated.polled) && !slices.ContainsFunc(s.senders, func(d *sending) bool { return d.source == "" }) {
		return
	}
	s.say("# As sources of siemfwd, with SIMULATED=%s in the environment:\nsources:", simulate.Secret)
	for _, a := range s.apis {
		if a.polled() {
			s.say("%s, every: 10s, since: %s}", a.source(a.kind.Name, "${env:SIMULATED}"), s.past)
		}
	}
	for _, d := range s.senders {
		if u, err := url.Parse(d.URL); err == nil && d.source == "" {
			s.say("  %s: {type: webhook, vendor: %s, listen: \"%s\", path: %s, auth: %s}", d.name, d.name, u.Host, u.Path, d.asks)
		}
	}
}

// report says what happened.
func (s *simulation) report() error {
	type row struct {
		Name   string         `json:"name"`
		What   string         `json:"what"`   // api, or sender
		Events int            `json:"events"` // that can be read
		Handed int            `json:"handed"` // of them, that were handed out
		Calls  map[string]int `json:"calls"`  // or deliveries, by what was answered
		Early  int            `json:"early"`  // calls in spite of a Retry-After
	}
	var rows []row
	for _, a := range s.apis {
		r := row{Name: a.kind.Name, What: "api", Calls: map[string]int{}}
		for _, e := range a.Events() {
			r.Events++
			if e.Handed {
				r.Handed++
			}
		}
		for _, c := range a.Calls() {
			r.Calls[fmt.Sprint(c.Status)]++
			if c.Early {
				r.Early++
			}
		}
		rows = append(rows, r)
	}
	for _, d := range s.senders {
		if d.err != nil {
			return usage("--send: %v", d.err)
		}
		rows = append(rows, row{Name: cmp.Or(d.source, d.name), What: "sender", Calls: d.statuses})
	}
	for _, r := range rows {
		if s.output == "json" {
			if err := s.json(r); err != nil {
				return err
			}
			continue
		}
		var answers []string
		for _, k := range slices.Sorted(maps.Keys(r.Calls)) {
			answers = append(answers, fmt.Sprintf("%d × %s", r.Calls[k], k))
		}
		line := fmt.Sprintf("%s: %s", r.Name, strings.Join(answers, ", "))
		if r.What == "sender" {
			line = "to " + line
		}
		if r.Events > 0 {
			line += fmt.Sprintf("; %d of %s handed out", r.Handed, plural(r.Events, "state"))
		}
		if r.Early > 0 {
			line += fmt.Sprintf("; %s too early", plural(r.Early, "call"))
		}
		fmt.Fprintln(s.out, line)
	}
	return s.reportSplunk()
}

func (s *simulation) close() {
	if s.splunk != nil {
		_ = s.splunk.Close()
	}
	for _, a := range s.apis {
		_ = a.Close()
	}
}
