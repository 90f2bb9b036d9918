package framing

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is one line of testdata/framing.jsonl.
type vector struct {
	ID, Format, Rule string
	Record           struct {
		Emit  json.RawMessage
		Mode  string
		TXNR  uint32
		Input string `json:"input_hex"`
	}
	ExpectHex  string `json:"expect_hex"`
	ExpectRepr string `json:"expect_repr"`
}

const vectorLimit = 1 << 20

// TestVectors runs the framing cases of testdata/framing.jsonl, or of the file named by
// SIEMFWD_VECTORS, octet for octet.
func TestVectors(t *testing.T) {
	path := "testdata/framing.jsonl"
	if other := os.Getenv("SIEMFWD_VECTORS"); other != "" {
		path = other
	}
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	ran := 0
	for lines.Scan() {
		var v vector
		require.NoError(t, json.Unmarshal(lines.Bytes(), &v))
		switch v.Format {
		case "framing":
			ran++
			t.Run(v.ID, func(t *testing.T) { emitVector(t, v) })
		case "framing-rx":
			ran++
			t.Run(v.ID, func(t *testing.T) { receiveVector(t, v) })
		}
	}
	require.NoError(t, lines.Err())
	require.NotZero(t, ran, "no framing case in %s", path)
}

func emitVector(t *testing.T, v vector) {
	var out []byte
	for _, msg := range messages(t, v.Record.Emit) {
		switch v.Record.Mode {
		case "lf":
			out, _ = AppendLF(out, msg)
		case "octet", "tls": // RFC 5425 4.3: octet counting over TLS
			out = AppendOctet(out, msg)
		case "udp":
			d, _ := Datagram(msg, 65507)
			out = append(out, d...)
		case "relp":
			out = AppendRELP(out, v.Record.TXNR, "syslog", msg)
		default:
			t.Fatalf("unknown mode %q", v.Record.Mode)
		}
	}
	require.Equal(t, v.ExpectHex, hex.EncodeToString(out), "%s\n%q", v.Rule, out)
}

// messages reads a string, {"hex": "…"} or a list of those.
func messages(t *testing.T, raw json.RawMessage) [][]byte {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var out [][]byte
	for _, one := range list {
		var text string
		if json.Unmarshal(one, &text) == nil {
			out = append(out, []byte(text))
			continue
		}
		var wrapped struct{ Hex string }
		require.NoError(t, json.Unmarshal(one, &wrapped))
		b, err := hex.DecodeString(wrapped.Hex)
		require.NoError(t, err)
		out = append(out, b)
	}
	return out
}

func receiveVector(t *testing.T, v vector) {
	input, err := hex.DecodeString(v.Record.Input)
	require.NoError(t, err)
	var want any
	require.NoError(t, json.Unmarshal([]byte(v.ExpectRepr), &want))

	if v.Record.Mode == "udp" {
		require.Equal(t, want, []any{string(TrimEnd(input))}, v.Rule)
		return
	}
	mode, ok := map[string]Mode{"auto": Auto, "lf": LF, "octet": OctetCounting}[v.Record.Mode]
	require.True(t, ok, "unknown mode %q", v.Record.Mode)
	for size := 1; size <= len(input); size++ {
		got := decode(t, mode, vectorLimit, input, func(int) int { return size })
		if word, failed := want.(string); failed {
			require.Equal(t, word, "ERROR "+string(got.kind), v.Rule)
			continue
		}
		require.Empty(t, got.kind, v.Rule)
		texts := []any{}
		for _, m := range got.messages {
			texts = append(texts, m.text)
		}
		require.Equal(t, want, texts, "%s, in pieces of %d", v.Rule, size)
	}
}
