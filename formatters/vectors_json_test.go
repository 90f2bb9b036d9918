package formatters_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/ecs"
	"github.com/siemfwd/siemfwd/formatters/hec"
	"github.com/siemfwd/siemfwd/formatters/object"
	"github.com/siemfwd/siemfwd/formatters/ocsf"
	"github.com/siemfwd/siemfwd/formatters/tree"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

// same compares what encode makes of a case with what the case says, as JSON: every key
// and value of the expectation has to be there. Numbers are compared as they are
// written. A case may expect that nothing is written.
func same(encode func(t *testing.T, v vector) ([]byte, error)) func(t *testing.T, v vector) {
	return func(t *testing.T, v vector) {
		got, err := encode(t, v)
		if v.Repr == "REJECT" {
			require.Error(t, err, v.Rule)
			require.Empty(t, got)
			return
		}
		require.NoError(t, err)
		want, err := hex.DecodeString(v.Expect)
		require.NoError(t, err)
		wants, gots := objects(t, want), objects(t, got)
		require.Len(t, gots, len(wants), v.Rule)
		for i := range wants {
			requireWithin(t, wants[i], gots[i], v.ID)
		}
	}
}

// objects reads JSON values that stand one after another.
func objects(t *testing.T, text []byte) (all []any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		var v any
		err := d.Decode(&v)
		if err == io.EOF {
			return all
		}
		require.NoErrorf(t, err, "%q", text)
		all = append(all, v)
	}
}

// requireWithin holds that want is in got: objects may have more members.
func requireWithin(t *testing.T, want, got any, path string) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		require.Truef(t, ok, "%s: want an object, got %v", path, got)
		for key, v := range want {
			require.Containsf(t, object, key, "%s", path)
			requireWithin(t, v, object[key], path+"."+key)
		}
	case []any:
		list, ok := got.([]any)
		require.Truef(t, ok, "%s: want a list, got %v", path, got)
		require.Lenf(t, list, len(want), path)
		for i := range want {
			requireWithin(t, want[i], list[i], path+"[]")
		}
	default:
		require.Equal(t, want, got, path)
	}
}

// fields adds what stands in a JSON object to r, in its order. {"hex": …} is a string
// of these bytes.
func fields(t *testing.T, r *record.Record, object json.RawMessage) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	open, err := d.Token()
	require.NoError(t, err)
	require.Equal(t, json.Delim('{'), open)
	children(t, r, d, true)
}

func children(t *testing.T, r *record.Record, d *json.Decoder, named bool) {
	for d.More() {
		var name []byte
		if named {
			key, err := d.Token()
			require.NoError(t, err)
			name = []byte(key.(string))
		}
		v, err := d.Token()
		require.NoError(t, err)
		switch v := v.(type) {
		case json.Delim:
			at := len(r.Fields)
			kind := record.List
			if v == '{' {
				kind = record.Map
			}
			r.Open(name, kind)
			children(t, r, d, kind == record.Map)
			r.Close()
			if f := r.Fields[at:]; len(f) == 2 && string(f[1].Name) == "hex" {
				raw, err := hex.DecodeString(string(f[1].Text))
				require.NoError(t, err)
				r.Undo(at)
				r.Add(name, record.String, raw)
			}
		case string:
			r.Add(name, record.String, []byte(v))
		case json.Number:
			r.Add(name, record.Number, []byte(v))
		case bool:
			text := "false"
			if v {
				text = "true"
			}
			r.Add(name, record.Bool, []byte(text))
		case nil:
			r.Add(name, record.Null, nil)
		}
	}
	_, err := d.Token()
	require.NoError(t, err)
}

// encodeHEC makes the body of a request of one envelope or several.
func encodeHEC(t *testing.T, v vector) ([]byte, error) {
	all := []json.RawMessage{v.Record}
	if v.Record[0] == '[' {
		require.NoError(t, json.Unmarshal(v.Record, &all))
	}
	options(t, v)
	var out []byte
	for _, one := range all {
		var in struct {
			Time                            instant
			Host, Source, SourceType, Index words
			Event, Fields                   json.RawMessage
		}
		decode(t, one, &in)
		e := hec.Event{Time: in.Time.Time, Host: in.Host, Source: in.Source, SourceType: in.SourceType, Index: in.Index}
		var event, indexed record.Record
		if in.Event[0] == '{' {
			fields(t, &event, in.Event)
			e.JSON = tree.Append(nil, event.Fields, '{', tree.Safe)
		} else {
			var text words
			require.NoError(t, json.Unmarshal(in.Event, &text))
			e.Text = text
		}
		if in.Fields != nil {
			fields(t, &indexed, in.Fields)
			e.Fields = indexed.Fields
		}
		var err error
		if out, err = hec.Append(out, &e); err != nil {
			return out, err
		}
		out = append(out, '\n')
	}
	return out, nil
}

// options reads those of a case that are known here; another one skips the case.
func options(t *testing.T, v vector, known ...string) map[string]string {
	t.Helper()
	all, out := map[string]any{}, map[string]string{}
	if len(v.Options) > 0 {
		require.NoError(t, json.Unmarshal(v.Options, &all))
	}
	for name, value := range all {
		if !slices.Contains(known, name) {
			t.Skipf("%s: there is no option %q", v.ID, name)
		}
		out[name] = fmt.Sprint(value)
	}
	return out
}

// finding is a case of the two schemas as a record, whose fields are the case's under the
// given name. An input that a record has no place for skips the case.
func finding(t *testing.T, v vector, vendor string) (r record.Record, incident bool) {
	t.Helper()
	words := map[string]int{"unknown": 0, "informational": 1, "low": 3, "medium": 5, "high": 8, "critical": 10}
	byName := map[string]record.Key{
		"first_seen": record.Start, "last_seen": record.End, "technique": record.ThreatTechnique, "tactic": record.ThreatTactic, "tenant": record.TenantID,
		"desc": record.Reason, "user": record.UserName, "hash": record.FileHash, "file": record.FileName, "host": record.SrcHost, "dst_host": record.DstHost,
	}
	for k := range record.Key(len(record.Keys)) {
		byName[record.Keys[k].Name] = k
	}
	var in record.Record
	fields(t, &in, v.Record)
	for i := 0; i < len(in.Fields); i += 1 + int(in.Fields[i].Size) {
		f := &in.Fields[i]
		if f.Kind == record.Null {
			continue
		}
		below := in.Fields[i+1 : i+1+int(f.Size)]
		switch name := string(f.Name); name {
		case "title":
			r.Name = f.Text
		case "id":
			r.ID = f.Text
		case "severity":
			n, ok := words[string(f.Text)]
			require.Truef(t, ok, "severity %q", f.Text)
			r.Severity = n
		case "time":
			r.Time = at(t, f.Text)
		case "vendor":
			r.Vendor = f.Text
		case "product":
			r.Product = f.Text
		case "class_id":
			r.Class = f.Text
		case "activity":
			r.Action = f.Text
		case "status":
			r.Outcome = f.Text
		case "logged":
			r.Received = at(t, f.Text).Go()
		case "incident":
			incident = string(f.Text) == "true"
		case "src", "dst":
			key, host := record.SrcIP, record.SrcHost
			if name == "dst" {
				key, host = record.DstIP, record.DstHost
			}
			if object.IP(f.Text) == nil {
				key = host
			}
			r.Set(key, f.Text)
		case "labels", "unmapped":
			if name == vendor || len(r.Fields) == 0 {
				r.Fields = below
			}
		default:
			if f.Kind == record.Map {
				for j := 0; j < len(below); j += 1 + int(below[j].Size) {
					put(t, &r, byName, v.ID, name+"."+string(below[j].Name), below[j].Text)
				}
				continue
			}
			put(t, &r, byName, v.ID, name, f.Text)
		}
	}
	return r, incident
}

func put(t *testing.T, r *record.Record, byName map[string]record.Key, id, name string, value []byte) {
	k, ok := byName[name]
	switch {
	case !ok:
		t.Skipf("%s: the record has no place for %q", id, name)
	case record.Keys[k].Kind == record.FactTime:
		r.SetTime(k, at(t, value))
	default:
		r.Set(k, value)
	}
}

func at(t *testing.T, text []byte) record.Time {
	var i instant
	require.NoError(t, i.UnmarshalJSON(text))
	return i.Time
}

func encodeECS(t *testing.T, v vector) ([]byte, error) {
	options(t, v, "ocsf_version", "version")
	r, _ := finding(t, v, "labels")
	return ecs.New(false).Append(nil, &r)
}

func encodeOCSF(t *testing.T, v vector) ([]byte, error) {
	o := options(t, v, "ocsf_version", "version")
	r, incident := finding(t, v, "unmapped")
	f, err := ocsf.New(ocsf.Options{Version: o["ocsf_version"] + o["version"], Incident: incident})
	require.NoError(t, err)
	return f.Append(nil, &r)
}
