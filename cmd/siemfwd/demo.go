package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/control"
	"github.com/siemfwd/siemfwd/forwarder/simulate"
	"github.com/siemfwd/siemfwd/forwarder/telemetry"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// demoFormats are the formats the demo's collector gets, one sink each.
var demoFormats = []string{"rfc5424", "cef", "json"}

// demo is one call of `demo`.
type demo struct {
	*app
	lasts time.Duration
	rate  string

	collectors []*collector // one per format
	plays      []play
	apis       map[string]simulated // that are polled, by the name of their source
	forwarder  *forwarder.Forwarder
	accepted   uint64 // events handed over
}

// play is one vendor's samples and where they go.
type play struct {
	vendor  kit.Vendor
	samples []kit.Sample
	path    string // of a webhook
	address string // of the source that takes them, once it listens
}

func demoCommand(a *app) *cobra.Command {
	d := &demo{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it without configuring anything",
		Long: `Start the real forwarder on loopback ports and a temporary folder, play the samples of
every vendor through its real way in, stand in for the APIs that are polled, and print what a syslog collector received from
it in each format. Ends with the accounting line.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "text" {
				return usage("demo prints what a collector got, not objects; -o %s is not for it", a.output)
			}
			ctx, stop := a.signals(cmd.Context(), 0)
			defer stop()
			return d.play(ctx)
		},
	}
	cmd.Flags().DurationVar(&d.lasts, "for", 0, "keep playing the samples for this long")
	cmd.Flags().StringVar(&d.rate, "rate", "50/s", "how many events a second, with --for")
	return cmd
}

func (d *demo) play(ctx context.Context) (err error) {
	pace, err := parseRate(d.rate)
	if err != nil {
		return usage("--rate %s: %v", d.rate, err)
	}
	dir, err := os.MkdirTemp("", "siemfwd-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for range demoFormats {
		c, err := newCollector()
		if err != nil {
			return fmt.Errorf("collector: %w", err)
		}
		d.collectors = append(d.collectors, c)
	}
	defer func() {
		for _, a := range d.apis {
			_ = a.Close()
		}
	}()
	if err := d.startAPIs(); err != nil {
		return err
	}
	if err := d.open(dir); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.forwarder.Run(running, func() { close(ready) }) }()
	defer func() {
		stop()
		if rerr := <-ended; err == nil {
			err = rerr
		}
		for _, c := range d.collectors {
			err = errors.Join(err, c.stop())
		}
	}()
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		return err
	case <-ctx.Done():
		return nil
	}
	sending, enough := context.WithTimeout(ctx, d.lasts+30*time.Second)
	defer enough()
	if err := d.sendAll(sending, pace); err != nil {
		return err
	}
	st, err := d.settled(ctx)
	if err != nil {
		return err
	}
	return d.report(st)
}

// demoPolled is how many events each API has.
const demoPolled = 12

// startAPIs stands in for the products that are asked.
func (d *demo) startAPIs() error {
	d.apis = map[string]simulated{}
	for _, k := range simulate.Kinds() {
		if len(k.Login) == 0 {
			continue
		}
		api, err := k.Start(simulate.Options{Seed: 1, Events: demoPolled, Start: time.Now().Add(-2 * time.Minute), For: time.Minute, PageSize: 5})
		if err != nil {
			return fmt.Errorf("API of %s: %w", k.Name, err)
		}
		d.apis[k.Name+"-api"] = simulated{k, api}
		d.accepted += demoPolled
	}
	return nil
}

// open writes the demo's configuration, reads it as any other, and opens the forwarder.
func (d *demo) open(dir string) error {
	var y strings.Builder
	fmt.Fprintf(&y, "state: %s\nhttp: {listen: \"\"}\nsources:\n", filepath.Join(dir, "state"))
	for _, v := range parsers.All() {
		samples, err := kit.ReadSamples(v)
		if err != nil {
			return err
		}
		if len(samples) == 0 || v.Poll != nil && v.Shape == kit.Values {
			continue
		}
		p := play{vendor: v, samples: samples}
		if v.Shape == kit.Lines {
			fmt.Fprintf(&y, "  %s: {type: syslog, vendor: %s, listen: [\"tcp://127.0.0.1:0\"]}\n", v.Name, v.Name)
		} else {
			p.path = "/hooks/" + v.Name
			fmt.Fprintf(&y, "  %s: {type: webhook, vendor: %s, listen: \"127.0.0.1:0\", path: %s, auth: {type: none}}\n", v.Name, v.Name, p.path)
		}
		d.plays = append(d.plays, p)
	}
	for _, name := range slices.Sorted(maps.Keys(d.apis)) {
		a := d.apis[name]
		fmt.Fprintf(&y, "%s, every: 1s, since: 10m, settle: 0s}\n", a.source(name, simulate.Secret))
	}
	fmt.Fprintf(&y, "sinks:\n")
	for i, f := range demoFormats {
		fmt.Fprintf(&y, "  siem-%s: {type: syslog, address: \"tcp://%s\", format: %s, resend: {age: 100ms}}\n", f, d.collectors[i].address, f)
	}
	path := filepath.Join(dir, "siemfwd.yaml")
	if err := os.WriteFile(path, []byte(y.String()), 0o600); err != nil {
		return err
	}
	d.say("# The forwarder runs with this configuration, in a folder that is removed at the end:\n#\n# %s",
		strings.ReplaceAll(strings.TrimSpace(y.String()), "\n", "\n# "))
	cfg, problems := forwarder.Load(path, forwarder.Strict)
	if err := problems.Err(); err != nil {
		problems.Print(d.err, false)
		return exit(exitConfig, nil)
	}
	log, err := telemetry.NewLogger(d.err, "text", "warn")
	if err != nil {
		return err
	}
	d.forwarder, err = forwarder.New(cfg, forwarder.Options{Log: log, Version: buildVersion()})
	return err
}

// sendAll plays every sample once, and then again and again while --for lasts.
func (d *demo) sendAll(ctx context.Context, pace *rate.Limiter) error {
	listening := map[string][]string{}
	for _, s := range d.forwarder.Status().Sources {
		listening[s.Name] = s.Listening
	}
	for i := range d.plays {
		p := &d.plays[i]
		on := listening[p.vendor.Name]
		if len(on) == 0 {
			return fmt.Errorf("source %s does not listen", p.vendor.Name)
		}
		p.address = strings.TrimPrefix(on[0], "tcp://") + p.path
	}
	until := time.Now().Add(d.lasts)
	for round := 0; round == 0 || time.Now().Before(until); round++ {
		for i := range d.plays {
			if round > 0 {
				if err := pace.WaitN(ctx, min(len(d.plays[i].samples), pace.Burst())); err != nil {
					return nil
				}
			}
			if err := d.sendSamples(ctx, &d.plays[i]); err != nil {
				return fmt.Errorf("playing %s: %w", d.plays[i].vendor.Name, err)
			}
		}
	}
	return nil
}

func (d *demo) sendSamples(ctx context.Context, p *play) error {
	if p.vendor.Shape != kit.Lines {
		for _, s := range p.samples {
			if err := d.post(ctx, p, s); err != nil {
				return err
			}
		}
		return nil
	}
	var stream []byte
	for _, s := range p.samples {
		if bytes.ContainsAny(s.Raw, "\n\x00\r") {
			stream = fmt.Appendf(stream, "%d ", len(s.Raw))
			stream = append(stream, s.Raw...)
		} else {
			stream = append(append(stream, s.Raw...), '\n')
		}
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	if _, err := conn.Write(stream); err != nil {
		_ = conn.Close()
		return err
	}
	d.accepted += uint64(len(p.samples))
	return conn.Close()
}

// post sends one sample as a webhook's body and counts the events in it.
func (d *demo) post(ctx context.Context, p *play, s kit.Sample) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address, bytes.NewReader(s.Raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("sample %s was answered %s: %s", s.Name, resp.Status, answer)
	}
	return split(p.vendor, s.Raw, func([]byte) error { d.accepted++; return nil })
}

// settled waits until everything handed over was received, and everything received
// has left.
func (d *demo) settled(ctx context.Context) (control.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		st := d.forwarder.Status()
		var in, waiting uint64
		for _, s := range st.Sources {
			in += s.Received
			if _, again := d.apis[s.Name]; !again { // what is polled is read again and again
				in += s.Duplicates
			}
		}
		for _, l := range st.Lanes {
			waiting += l.Waiting
		}
		if in == d.accepted && waiting == 0 && d.collected(st) {
			return st, nil
		}
		select {
		case <-ctx.Done():
			writeStatus(d.err, st, time.Now())
			return st, fmt.Errorf("%d events were sent, %d received, %d still wait: %w", d.accepted, in, waiting, ctx.Err())
		case <-tick.C:
		}
	}
}

// collected reports whether each collector has what its sink delivered.
func (d *demo) collected(st control.Status) bool {
	for i, f := range demoFormats {
		if uint64(len(d.collectors[i].received())) < delivered(st, "siem-"+f) {
			return false
		}
	}
	return true
}

func delivered(st control.Status, sink string) (n uint64) {
	for _, l := range st.Lanes {
		if l.Sink == sink {
			n += l.Delivered
		}
	}
	return n
}

// report prints what the collectors received, and the accounting line.
func (d *demo) report(st control.Status) error {
	const longest = 2000
	for i, f := range demoFormats {
		got := d.collectors[i].received()
		fmt.Fprintf(d.out, "\nas %s, received by the collector on %s: %s\n", f, d.collectors[i].address, plural(len(got), "event"))
		for n, m := range got {
			if n == 200 {
				fmt.Fprintf(d.out, "  … and %d more\n", len(got)-n)
				break
			}
			fmt.Fprintf(d.out, "  %s\n", cut(m, longest))
		}
		if want := delivered(st, "siem-"+f); uint64(len(got)) != want {
			return fmt.Errorf("sink siem-%s delivered %d events and the collector received %d", f, want, len(got))
		}
	}
	for _, l := range st.Lanes {
		if l.Balance() != 0 {
			return fmt.Errorf("%s", accounting(st))
		}
	}
	fmt.Fprintf(d.out, "\n%s\n", accounting(st))
	return nil
}

// parseRate reads "50/s".
func parseRate(text string) (*rate.Limiter, error) {
	var n int
	if _, err := fmt.Sscanf(text, "%d/s", &n); err != nil || n < 1 || text != fmt.Sprintf("%d/s", n) {
		return nil, errors.New("write a number of events a second, like 50/s")
	}
	return rate.NewLimiter(rate.Limit(n), max(n, 1)), nil
}
