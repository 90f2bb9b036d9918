package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// letterRow is a dead letter as JSON prints it.
func letterRow(l control.Letter) any {
	row := struct {
		Kind string `json:"kind"`
		control.Letter
		Raw            *string `json:"raw,omitempty"`
		RawBase64      []byte  `json:"raw_base64,omitempty"`
		Rendered       *string `json:"rendered,omitempty"`
		RenderedBase64 []byte  `json:"rendered_base64,omitempty"`
	}{Kind: "letter", Letter: l}
	row.Raw, row.RawBase64 = octetsJSON(l.Raw)
	row.Rendered, row.RenderedBase64 = octetsJSON(l.Rendered)
	return row
}

// octetsJSON is raw text in JSON: a string when it is UTF-8, base64 when not, nothing when
// it is nil.
func octetsJSON(b []byte) (text *string, base64 []byte) {
	if b == nil {
		return nil, nil
	}
	if !utf8.Valid(b) {
		return nil, b
	}
	s := string(b)
	return &s, nil
}

// writeLetter prints a dead letter for people.
func writeLetter(w io.Writer, l control.Letter, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, printable(fmt.Appendf(nil, format, args...)))
	}
	line("letter", "%d", l.ID)
	if l.Sink == "-" {
		line("refused by", "source %s, at the door: its sender was told so", l.Source)
	} else {
		line("refused by", "sink %s", l.Sink)
		line("from", "source %s, position %d", l.Source, l.Position)
	}
	line("why", "%s", l.Reason)
	if l.Answer != "" {
		line("answer", "%s", l.Answer)
	}
	if !l.First.IsZero() {
		line("first refused", "%s (%s ago)", clockTime(l.First.Local()), ago(now.Sub(l.First)))
	}
	if l.Attempts > 0 {
		line("attempts", "%d, the last %s (%s ago)", l.Attempts, clockTime(l.Last.Local()), ago(now.Sub(l.Last)))
	}
	peer := ""
	if l.Peer != "" {
		peer = " from " + l.Peer
	}
	line("received", "%s (%s ago)%s", clockTime(l.Received.Local()), ago(now.Sub(l.Received)), peer)
	if l.UID != "" {
		line("uid", "%s", l.UID)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	cut := ""
	if l.Octets > len(l.Raw) {
		cut = fmt.Sprintf(" of %d that were sent", l.Octets)
	}
	writeBody(w, fmt.Sprintf("raw, %s%s", plural(len(l.Raw), "octet"), cut), l.Raw)
	if l.Rendered != nil && l.Sink != "-" {
		writeBody(w, "rendered, "+plural(len(l.Rendered), "octet"), l.Rendered)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// writeBody prints octets, indented, with control characters as blanks and what is not
// UTF-8 as �.
func writeBody(w io.Writer, name string, b []byte) {
	fmt.Fprintln(w, name)
	for line := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) {
		fmt.Fprintf(w, "  %s\n", strings.TrimRight(printable(line), " "))
	}
}

func joinIDs(ids map[uint64]bool) string {
	var words []string
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		words = append(words, strconv.FormatUint(id, 10))
	}
	return strings.Join(words, ", ")
}
