package skyhigh

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func BenchmarkPhase(b *testing.B) {
	t, _ := os.ReadFile("samples/anomaly.txtar")
	_, s, _ := strings.Cut(string(t), "-- raw --\n")
	raw := []byte(strings.TrimSpace(s))
	rec := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	h := kit.ReadHeaderUntagged(raw, rec, nil)
	body := h.Body
	b.Run("header", func(b *testing.B) {
		for b.Loop() {
			kit.ReadHeaderUntagged(raw, rec, nil)
		}
	})
	b.Run("clean", func(b *testing.B) {
		for b.Loop() {
			clean(body)
		}
	})
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			kv := kit.KV{Text: body, Known: known, List: isList, Order: order}
			for kv.Next() {
			}
		}
	})
	b.Run("scannoorder", func(b *testing.B) {
		for b.Loop() {
			kv := kit.KV{Text: body, Known: known, List: isList}
			for kv.Next() {
			}
		}
	})
	r := &record.Record{}
	b.Run("pairs", func(b *testing.B) {
		for b.Loop() {
			r.Reset()
			in := incident{r: r, clean: true}
			in.pairs(body)
		}
	})
	in := incident{r: r, clean: true}
	r.Reset()
	in.pairs(body)
	n := len(r.Fields)
	b.Run("finish", func(b *testing.B) {
		for b.Loop() {
			c, f := in, r.Fields[:n]
			r.Reset()
			r.Fields = f
			c.finish()
		}
	})
	b.Run("lists", func(b *testing.B) {
		l := []byte("[knet techonlogy beijing co. ltd., kddi corporation, telenor norge as, channel one russia worldwide, pakistan telecommuication company limited]")
		for b.Loop() {
			r.Reset()
			in.list(nil, l, true)
		}
	})
	b.Run("reset", func(b *testing.B) {
		for b.Loop() {
			r.Reset()
		}
	})
}
