package formatters_test

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// sendFrames writes the messages of a framing case.
func sendFrames(t *testing.T, v vector) (out []byte) {
	var r struct {
		Emit json.RawMessage
		Mode string
		TXNR uint32
	}
	require.NoError(t, json.Unmarshal(v.Record, &r))
	var messages []words
	if r.Emit[0] == '[' {
		require.NoError(t, json.Unmarshal(r.Emit, &messages))
	} else {
		messages = make([]words, 1)
		require.NoError(t, json.Unmarshal(r.Emit, &messages[0]))
	}
	for _, m := range messages {
		switch r.Mode {
		case "lf", "tcp":
			out, _ = framing.AppendLF(out, m)
		case "octet", "tls":
			out = framing.AppendOctet(out, m)
		case "udp":
			datagram, _ := framing.Datagram(m, 65507)
			out = append(out, datagram...)
		case "relp":
			out = framing.AppendRELP(out, r.TXNR, "syslog", m)
		default:
			t.Fatalf("unknown mode %q", r.Mode)
		}
	}
	return out
}

// receiveFrames reads the octets of a framing case, all at once and one by one.
func receiveFrames(t *testing.T, v vector) {
	var r struct {
		Mode  string
		Input string `json:"input_hex"`
	}
	require.NoError(t, json.Unmarshal(v.Record, &r))
	input, err := hex.DecodeString(r.Input)
	require.NoError(t, err)
	var want []string
	failure := ""
	if json.Unmarshal([]byte(v.Repr), &want) != nil && json.Unmarshal([]byte(v.Repr), &failure) != nil {
		failure = v.Repr
	}
	if r.Mode == "udp" {
		require.Equal(t, want, []string{string(framing.TrimEnd(input))}, v.Rule)
		return
	}
	mode, ok := map[string]framing.Mode{"auto": framing.Auto, "lf": framing.LF, "octet": framing.OctetCounting}[r.Mode]
	require.Truef(t, ok, "unknown mode %q", r.Mode)
	for _, piece := range []int{len(input), 1} {
		got, err := frames(mode, input, piece)
		switch failure {
		case "":
			require.NoError(t, err, v.Rule)
			require.Equal(t, want, got, v.Rule)
		case "REJECT":
			require.Error(t, err, v.Rule)
		default:
			var e *framing.Error
			require.ErrorAs(t, err, &e, v.Rule)
			require.Equal(t, failure, "ERROR "+e.Kind.Error(), v.Rule)
		}
	}
}

// frames reads input in pieces until it ends.
func frames(mode framing.Mode, input []byte, piece int) (got []string, err error) {
	reader := framing.Reader{Mode: mode, Max: 1 << 20}
	var buf []byte
	for len(input) > 0 {
		buf, input = append(buf, input[:piece]...), input[piece:]
		for {
			f, n, err := reader.Next(buf)
			if err != nil {
				return got, err
			}
			if f.Data != nil {
				got = append(got, string(f.Data))
			}
			if buf = buf[n:]; f.Data == nil {
				break
			}
		}
	}
	f, err := reader.End(buf)
	if f.Data != nil {
		got = append(got, string(f.Data))
	}
	return got, err
}
