package parsers

import (
	"bytes"
	stdjson "encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/formatters/json"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

var update = flag.Bool("update", false, "rewrite the expected sections of the samples; review the diff")

// received is when every sample was received.
var received = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// read parses one event as a lane does.
func read(t testing.TB, r *record.Record, v *kit.Vendor, raw []byte) {
	r.Reset()
	r.Source, r.Received, r.Raw = "sample", received, raw
	if err := v.Parse(r, raw); err != nil {
		require.NotEmpty(t, err.Error())
		r.Reset()
		r.Source, r.Received, r.Raw = "sample", received, raw
		r.Message = raw
		r.Warn("unparsed", []byte(err.Error()))
	}
}

// events cuts a sample into the events that would be stored.
func events(t testing.TB, v *kit.Vendor, raw []byte) [][]byte {
	if v.Hook == nil || v.Hook.Read == nil {
		return [][]byte{raw}
	}
	var all [][]byte
	answer := v.Hook.Read(raw, func(data []byte, _ event.Key) { all = append(all, bytes.Clone(data)) })
	require.Nil(t, answer, "a sample is a good body")
	return all
}

// sections renders what a sample's file holds behind its event.
func sections(t testing.TB, v *kit.Vendor, raw []byte) []txtar.File {
	out := map[string]*bytes.Buffer{}
	order := []string{"record", "cef", "leef", "rfc5424", "json"}
	for _, name := range order {
		out[name] = &bytes.Buffer{}
	}
	var r record.Record
	for _, e := range events(t, v, raw) {
		read(t, &r, v, e)
		out["record"].Write(append(json.Formatter{}.AppendIndent(nil, &r), '\n'))
		for _, name := range order[1:] {
			line, err := format(t, name).Append(nil, &r)
			require.NoError(t, err)
			out[name].Write(append(line, '\n'))
		}
	}
	var files []txtar.File
	for _, name := range order {
		files = append(files, txtar.File{Name: name, Data: out[name].Bytes()})
	}
	return files
}

func format(t testing.TB, name string) formatters.Formatter {
	f, err := formatters.New(name, formatters.Options{Host: "siemfwd-host", Raw: true})
	require.NoError(t, err)
	return f
}

func TestSamplesBecomeWhatTheySay(t *testing.T) {
	for _, v := range All() {
		files, err := filepath.Glob(filepath.Join(folder(v.Name), "samples", "*.txtar"))
		require.NoError(t, err)
		for _, s := range samplesOf(t, v) {
			t.Run(v.Name+"/"+s.Name, func(t *testing.T) {
				i := slices.IndexFunc(files, func(f string) bool { return filepath.Base(f) == s.Name+".txtar" })
				require.GreaterOrEqual(t, i, 0)
				want := sections(t, &v, s.Raw)
				if *update {
					rewrite(t, files[i], want)
					return
				}
				assert.NotEmpty(t, s.Comment, "the first line says what the sample shows")
				for _, f := range want {
					text, ok := s.Sections[f.Name]
					require.True(t, ok, "section %s is missing: go test ./parsers -update", f.Name)
					assert.Equal(t, text, string(f.Data), f.Name)
				}
			})
		}
	}
}

// folder is where a vendor's package stands.
func folder(name string) string {
	if _, err := os.Stat(name); err == nil {
		return name
	}
	return "generic"
}

func samplesOf(t testing.TB, v kit.Vendor) []kit.Sample {
	t.Helper()
	samples, err := kit.ReadSamples(v)
	require.NoError(t, err)
	return samples
}

// rewrite keeps a sample's comment and event and replaces the rest.
func rewrite(t *testing.T, path string, want []txtar.File) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	a := txtar.Parse(data)
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return !strings.HasPrefix(f.Name, "raw") })
	a.Files = append(a.Files, want...)
	require.NoError(t, os.WriteFile(path, txtar.Format(a), 0o644))
}

func TestEveryFolderIsInTheTableAndHasSamples(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "kit" || e.Name() == "generic" || e.Name() == "testdata" {
			continue
		}
		v, ok := ByName(e.Name())
		if !ok {
			t.Errorf("parsers/%s is not in the table: add the line\n\t\t%s.Vendor,\nto products in parsers/parsers.go", e.Name(), e.Name())
			continue
		}
		assert.GreaterOrEqual(t, len(samplesOf(t, v)), 8, "samples of %s: put an event in parsers/%s/samples/NAME.txtar", e.Name(), e.Name())
	}
	for _, v := range All() {
		assert.NotEmpty(t, samplesOf(t, v), "samples of %s", v.Name)
		assert.NotEmpty(t, v.Product, v.Name)
		assert.NotEmpty(t, v.Doc, v.Name)
	}
}

func TestNothingIsAllocatedPerEvent(t *testing.T) {
	for _, v := range All() {
		for _, s := range samplesOf(t, v) {
			var r record.Record
			out := make([]byte, 0, 1<<20)
			for i, e := range events(t, &v, s.Raw) {
				fails := v.Parse(&r, e) != nil
				if fails {
					continue // the error is the one thing that costs
				}
				for _, name := range []string{"rfc5424", "cef", "leef", "json"} {
					f := format(t, name)
					once := func() {
						r.Reset()
						r.Source, r.Received, r.Raw = "sample", received, e
						_ = v.Parse(&r, e)
						out, _ = f.Append(out[:0], &r)
					}
					once()
					assert.Zero(t, testing.AllocsPerRun(20, once), "%s/%s event %d as %s", v.Name, s.Name, i, name)
				}
			}
		}
	}
}

func TestAutoRecognisesWhatItKnows(t *testing.T) {
	auto, _ := ByName("auto")
	for _, name := range []string{"skyhigh", "datatheorem", "scanner", "cef", "leef"} {
		v, ok := ByName(name)
		require.True(t, ok)
		for _, s := range samplesOf(t, v) {
			for _, e := range events(t, &v, s.Raw) {
				if v.Detect == nil || !v.Detect(e) {
					continue
				}
				var a, b record.Record
				read(t, &a, &auto, e)
				read(t, &b, &v, e)
				assert.Equal(t, string(b.Class), string(a.Class), "%s/%s", name, s.Name)
				assert.Equal(t, string(b.Vendor), string(a.Vendor), "%s/%s", name, s.Name)
			}
		}
	}
}

// FuzzVendors holds for any bytes that every vendor reads them without a panic, that
// the event stays as it was, that the record renders as valid JSON in one line, and that
// fields lie within the tree.
func FuzzVendors(f *testing.F) {
	all := All()
	for i, v := range all {
		for _, s := range samplesOf(f, v) {
			f.Add(uint8(i), s.Raw)
		}
	}
	for _, s := range []string{"", "<14>", "<14>Nov 20 10:11:12 h", "-1 x", "99999999999 x", `{"event":`, `a="`, "\x00\xff\xfe", "CEF:0|||||||", "LEEF:2.0|a|b|c|d|"} {
		f.Add(uint8(0), []byte(s))
	}
	cef, rfc, js := format(f, "cef"), format(f, "rfc5424"), format(f, "json")
	f.Fuzz(func(t *testing.T, n uint8, raw []byte) {
		v := &all[int(n)%len(all)]
		var r record.Record
		before := bytes.Clone(raw)
		read(t, &r, v, raw)
		if !bytes.Equal(before, raw) {
			t.Fatalf("%s: wrote to the event", v.Name)
		}
		checkTree(t, r.Fields)
		for _, f := range []formatters.Formatter{cef, rfc, js} {
			line, err := f.Append(nil, &r)
			if err != nil {
				continue
			}
			if bytes.ContainsAny(line, "\n\r\x00") {
				t.Fatalf("%s: a control character in %q", v.Name, line)
			}
			if f == js && !stdjson.Valid(line) {
				t.Fatalf("%s: not JSON: %q", v.Name, line)
			}
		}
	})
}

// checkTree holds that every Size ends where its parent allows, and that what is marked
// as plain is.
func checkTree(t *testing.T, fields []record.Field) {
	for i := range fields {
		size := int(fields[i].Size)
		if f := &fields[i]; f.Plain && !(kit.Plain(f.Name) && kit.Plain(f.Text)) {
			t.Fatalf("field %d is not plain: %q: %q", i, f.Name, f.Text)
		}
		if size < 0 || i+1+size > len(fields) || size > 0 && fields[i].Kind != record.List && fields[i].Kind != record.Map {
			t.Fatalf("field %d of %d says that %d belong to it", i, len(fields), size)
		}
	}
}
