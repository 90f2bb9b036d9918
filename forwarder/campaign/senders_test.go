package campaign

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// target is where senders find a forwarder, which may be elsewhere after its next start.
type target struct {
	mu      sync.Mutex
	address string
	life    context.Context
	end     context.CancelFunc
}

// set says where the forwarder that was started listens.
func (g *target) set(address string) {
	g.gone()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.address = address
	g.life, g.end = context.WithCancel(context.Background())
}

// gone ends the connections to a forwarder that is no more.
func (g *target) gone() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.end != nil {
		g.end()
		g.end = nil
	}
}

// get returns the address and the life of the forwarder there; false while there is none.
func (g *target) get() (address string, life context.Context, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.address, g.life, g.end != nil
}

// number makes an event's id.
var number atomic.Int64

func newID(kind string, poor bool) string {
	id := fmt.Sprintf("%s%d", kind, number.Add(1))
	if poor {
		id += "poor"
	}
	return id
}

// hooks posts deliveries of a few events each to http://target/hooks/json until ctx ends,
// each one until it is answered 2xx, or not any more after some tries.
type hooks struct {
	target  *target
	book    *ledger
	pause   time.Duration
	poor    bool // some events are refused by the sinks
	padding int  // most octets an event has beside its id

	slowest atomic.Int64  // time of an answer, in nanoseconds
	busy    atomic.Uint64 // answers 503 with Retry-After
	odd     atomic.Uint64 // other answers than 2xx and those
}

// run posts from n connections.
func (h *hooks) run(ctx context.Context, wg *sync.WaitGroup, n int, draw *rand.Rand) {
	transport := &http.Transport{MaxIdleConnsPerHost: n}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var all sync.WaitGroup
	for range n {
		draw := rand.New(rand.NewPCG(draw.Uint64(), 5))
		all.Go(func() {
			for ctx.Err() == nil {
				h.deliver(ctx, client, draw)
				pause(ctx, h.pause)
			}
		})
	}
	wg.Go(func() { all.Wait(); transport.CloseIdleConnections() })
}

func (h *hooks) deliver(ctx context.Context, client *http.Client, draw *rand.Rand) {
	var list []string
	var body bytes.Buffer
	for range 1 + draw.IntN(3) {
		id := newID("w", h.poor && draw.IntN(50) == 0)
		list = append(list, id)
		fmt.Fprintf(&body, `{"id":"%s","pad":"%s"}`+"\n", id, strings.Repeat("p", draw.IntN(h.padding+1)))
	}
	for range 1 + draw.IntN(20) {
		if h.post(ctx, client, list[0], body.Bytes()) {
			h.book.ack(list...)
			return
		}
		pause(ctx, 5*time.Millisecond)
		if ctx.Err() != nil {
			return
		}
	}
}

func (h *hooks) post(ctx context.Context, client *http.Client, delivery string, body []byte) bool {
	address, life, ok := h.target.get()
	if !ok {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/hooks/json", bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("X-Delivery", delivery)
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	for took := int64(time.Since(began)); ; {
		old := h.slowest.Load()
		if took <= old || h.slowest.CompareAndSwap(old, took) {
			break
		}
	}
	switch {
	case resp.StatusCode/100 == 2:
		return true
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		h.busy.Add(1)
	default:
		h.odd.Add(1)
	}
	return false
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
