package formatters_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/siemfwd/siemfwd/formatters"
	"github.com/siemfwd/siemfwd/formatters/cef"
	"github.com/siemfwd/siemfwd/formatters/strict"
	"github.com/siemfwd/siemfwd/formatters/text"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

var (
	recordCount = flag.Int("records", 1500, "random records that every format writes and a strict reader reads")
	recordSeed  = flag.Uint64("seed", 1, "of the random records")
)

// What is written is read, and nothing else: for random records full of hostile text a
// strict reader finds in each format what the record says, replaced as the rules say.
func TestWhatIsWrittenIsRead(t *testing.T) {
	g := newGenerator(*recordSeed)
	var r record.Record
	var buf []byte
	for n := range *recordCount {
		g.record(&r)
		for _, f := range readers {
			formatter := f.formatter
			out, err := formatter.Append(buf[:0], &r)
			buf = out
			if err == nil {
				err = f.read(out, &r)
			}
			if err != nil {
				t.Fatalf("record %d of seed %d as %s: %v\n%q", n, *recordSeed, f.name, err, out)
			}
		}
	}
}

func must(format string, o formatters.Options) formatters.Formatter {
	f, err := formatters.New(format, o)
	if err != nil {
		panic(err)
	}
	return f
}

// readers compare what was written with the record.
var readers = []struct {
	name      string
	formatter formatters.Formatter
	read      func(out []byte, r *record.Record) error
}{
	{"cef", must("cef", formatters.Options{}), readCEF},
	{"leef", must("leef", formatters.Options{}), func(out []byte, r *record.Record) error { return readLEEF(out, r, "^") }},
	{"leef 1.0", must("leef", formatters.Options{Version: "1.0"}), func(out []byte, r *record.Record) error { return readLEEF(out, r, "\t") }},
	{"rfc5424", must("rfc5424", formatters.Options{Host: "own"}), read5424},
	{"json", must("json", formatters.Options{Raw: true}), readJSON},
	{"ecs", must("ecs", formatters.Options{Raw: true}), readECS},
	{"ocsf", must("ocsf", formatters.Options{Raw: true}), readOCSF},
}

// valid is s with one U+FFFD for each bad byte.
func valid(s []byte) string { return string([]rune(string(s))) }

// noBOM is valid without one BOM at the beginning.
func noBOM(s []byte) string { return strings.TrimPrefix(valid(s), "\uFEFF") }

func differ(what string, want, got any) error {
	return fmt.Errorf("%s: want %q, got %q", what, want, got)
}

// --- CEF

var runs = regexp.MustCompile(`[\n\r\t\x{85}\x{2028}\x{2029}]+`)

func cefText(s []byte, limit int) (_ string, cut bool) { return cefValue(noBOM(s), limit) }

func cefValue(s string, limit int) (_ string, cut bool) {
	return cutTo(strings.Map(func(c rune) rune {
		switch {
		case c == 0x85 || c == '\u2028' || c == '\u2029':
			return '\n'
		case c == '\n' || c == '\r':
			return c
		case c < 0x20 || c >= 0x7f && c < 0xA0:
			return ' '
		}
		return c
	}, strings.Trim(s, " ")), limit)
}

// cutTo takes spaces off both ends and cuts in between.
func cutTo(v string, limit int) (string, bool) {
	c := []rune(strings.TrimLeft(v, " "))
	cut := limit > 0 && len(c) > limit
	if cut {
		c = c[:limit]
	}
	return strings.TrimRight(string(c), " "), cut
}

func cefHeader(s []byte, limit int) string {
	v, _ := cefValue(runs.ReplaceAllString(strings.Trim(noBOM(s), " "), " "), limit)
	if v == "" {
		return "unknown"
	}
	return v
}

var integers = regexp.MustCompile(`^-?[0-9]+(\.0+)?$`)

var decimals = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// integerOf reads what CEF takes for an integer.
func integerOf(s []byte) (n int64, ok bool) {
	v := strings.Trim(string(s), " ")
	if !integers.MatchString(v) {
		return 0, false
	}
	v, _, _ = strings.Cut(v, ".")
	b, _ := new(big.Int).SetString(v, 10)
	if !b.IsInt64() || b.Int64() == -1<<63 {
		return 0, false
	}
	return b.Int64(), true
}

// addressOf tells IPv4 from IPv6, as it is written without a zone.
func addressOf(s []byte) (v4, v6 string) {
	v, _, _ := strings.Cut(strings.Trim(string(s), " "), "%")
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil, a.Is4() && v != strings.Trim(string(s), " "):
		return "", ""
	case a.Is4():
		return v, ""
	case a.Is4In6():
		return v[len("::ffff:"):], ""
	}
	return "", v
}

var macDigits = regexp.MustCompile(`^[0-9A-Fa-f]{12}$`)

// typed is what stands under a key of the dictionary; "" is nothing.
func typed(k cef.Key, v []byte) string {
	switch k.Type {
	case cef.String:
		s, _ := cefText(v, k.Max)
		return s
	case cef.Integer, cef.Long:
		if n, ok := integerOf(v); ok {
			return strconv.FormatInt(n, 10)
		}
	case cef.Double:
		if s := strings.Trim(string(v), " "); decimals.MatchString(s) {
			return s
		}
	case cef.IPv6:
		_, v6 := addressOf(v)
		return v6
	case cef.MAC:
		if s := strings.NewReplacer(":", "", "-", "", ".", "").Replace(string(v)); macDigits.MatchString(s) {
			return strings.Join([]string{s[:2], s[2:4], s[4:6], s[6:8], s[8:10], s[10:]}, ":")
		}
	}
	return ""
}

// cefEvent is what a record is to be in CEF.
type cefEvent struct {
	values map[string]string
	cut    bool
	wide   []record.Key
	device string
}

func (e *cefEvent) put(name string, v []byte) {
	k, _ := cef.Lookup(name)
	if s := typed(k, v); s != "" {
		e.values[name] = s
	}
	if k.Type == cef.String && k.Max > 0 && len([]rune(strings.Trim(noBOM(v), " "))) > k.Max {
		e.cut = true
	}
}

func (e *cefEvent) label(slot, says string) {
	if s, _ := cefText([]byte(says), 1023); s != "" {
		e.values[slot+"Label"] = s
	}
}

func (e *cefEvent) fact(r *record.Record, k record.Key) {
	name, v := record.Keys[k].CEF, r.Get(k)
	key, _ := cef.Lookup(name)
	n, isInt := integerOf(v)
	switch {
	case key.Type == cef.IPv4:
		v4, v6 := addressOf(v)
		switch {
		case v4 != "":
			e.values[name] = v4
		case v6 != "" && k == record.DeviceIP:
			e.device = v6
		case v6 != "":
			slot := map[record.Key][2]string{record.SrcIP: {"c6a2", "Source IPv6 Address"}, record.DstIP: {"c6a3", "Destination IPv6 Address"}}[k]
			e.values[slot[0]] = v6
			e.label(slot[0], slot[1])
		}
	case key.Type == cef.Integer && isInt && (n > 1<<31-1 || n < -1<<31) && len(v) > 9:
		if len(e.wide) == 3 {
			e.cut = true
			return
		}
		e.wide = append(e.wide, k)
	default:
		e.put(name, v)
	}
}

func (e *cefEvent) slots(r *record.Record) {
	for s := range record.Slot(len(record.Slots)) {
		name := record.Slots[s].CEF
		label, v, at := r.GetSlot(s)
		switch {
		case r.HasSlot(s) && !at.IsZero():
			e.values[name] = strconv.FormatInt(at.Millis(), 10)
			e.label(name, label)
		case r.HasSlot(s):
			if e.put(name, v); e.values[name] != "" {
				e.label(name, label)
			}
		case s <= record.CN3 && len(e.wide) > 0:
			k, _ := cef.Lookup(record.Keys[e.wide[0]].CEF)
			e.put(name, r.Get(e.wide[0]))
			e.label(name, k.Full)
			e.wide = e.wide[1:]
		case s == record.C6A1 && e.device != "":
			e.values[name] = e.device
			e.label(name, "Device IPv6 Address")
			e.device = ""
		}
	}
	e.cut = e.cut || len(e.wide) > 0 || e.device != ""
}

func readCEF(out []byte, r *record.Record) error {
	got, err := strict.ReadCEF(out)
	if err != nil {
		return err
	}
	e := cefEvent{values: map[string]string{}}
	for i, f := range []struct {
		v     []byte
		limit int
	}{{r.Vendor, 63}, {r.Product, 63}, {r.Version, 31}, {r.Class, 1023}, {r.Name, 512}} {
		if want := cefHeader(f.v, f.limit); got.Header[i] != want {
			return differ("header", want, got.Header[i])
		}
		e.cut = e.cut || len([]rune(strings.Trim(noBOM(f.v), " "))) > f.limit
	}
	if want := min(max(r.Severity, 0), 10); got.Severity != want {
		return differ("severity", strconv.Itoa(want), strconv.Itoa(got.Severity))
	}
	e.values["rt"] = strconv.FormatInt(r.When().Millis(), 10)
	start := r.GetTime(record.Start)
	if start.IsZero() {
		start = r.GetTime(record.ObjectCreated)
	}
	if !start.IsZero() {
		e.values["start"] = strconv.FormatInt(start.Millis(), 10)
	}
	if end := r.GetTime(record.End); !end.IsZero() {
		e.values["end"] = strconv.FormatInt(end.Millis(), 10)
	}
	host := r.Get(record.DeviceHost)
	if len(host) == 0 {
		host = r.Host
	}
	for name, v := range map[string][]byte{"externalId": r.ID, "dvchost": host, "act": r.Action, "outcome": r.Outcome, "cat": r.Category, "msg": r.Message} {
		e.put(name, v)
	}
	// The order in which integers that are too wide look for a slot.
	order := []record.Key{record.SrcPort, record.DstPort, record.FileSize, record.SrcProcessID, record.ProcessID, record.Count}
	for k := range record.Key(len(record.Keys)) {
		order = append(order, k)
	}
	done := map[record.Key]bool{record.DeviceHost: true}
	for _, k := range order {
		if !done[k] && r.Has(k) && record.Keys[k].CEF != "" && record.Keys[k].Kind != record.FactTime {
			e.fact(r, k)
		}
		done[k] = true
	}
	e.slots(r)
	if s, _ := cefText(r.Get(record.Replay), 0); s != "" {
		e.values["adReplay"] = s
	}
	if e.cut {
		e.values["adTruncated"] = "true"
	}
	return sameValues(e.values, got.Values)
}

func sameValues(want, got map[string]string) error {
	for k, v := range want {
		if got[k] != v {
			return differ(k, v, got[k])
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			return fmt.Errorf("key %s=%q came out of nowhere", k, v)
		}
	}
	return nil
}

// --- LEEF

func leefText(s []byte, between string, limit int) (string, bool) {
	var b strings.Builder
	n, cut := 0, false
	for _, c := range strings.ReplaceAll(noBOM(s), "\r\n", "\n") {
		if limit > 0 && n == limit {
			cut = true
			break
		}
		n++
		if c < 0x20 || c >= 0x7f && c < 0xA0 || c == '\u2028' || c == '\u2029' || string(c) == between {
			c = ' '
		}
		b.WriteRune(c)
	}
	if strings.Trim(b.String(), " ") == "" {
		return "", false
	}
	return b.String(), cut
}

func leefHeader(s []byte, limit int) string {
	v := strings.Map(func(c rune) rune {
		switch {
		case c == '|':
			return '_'
		case c < 0x20 || c >= 0x7f && c < 0xA0 || c == '\u2028' || c == '\u2029':
			return ' '
		}
		return c
	}, regexp.MustCompile(`[\n\r\t]+`).ReplaceAllString(strings.TrimLeft(strings.Trim(noBOM(s), " "), "\n\r\t"), " "))
	if c := []rune(v); limit > 0 && len(c) > limit {
		v = string(c[:limit])
	}
	if v = strings.Trim(v, " "); v == "" {
		return "unknown"
	}
	return v
}

// slotKey is the key under which LEEF shows a slot when its label is not for it.
var slotKey = func() map[string]bool {
	m := map[string]bool{}
	for _, s := range record.Slots {
		m[s.CEF] = true
	}
	return m
}()

func readLEEF(out []byte, r *record.Record, between string) error {
	got, err := strict.ReadLEEF(string(out))
	if err != nil {
		return err
	}
	for i, v := range [][]byte{r.Vendor, r.Product, r.Version} {
		if want := leefHeader(v, 0); got.Header[i] != want {
			return differ("header", want, got.Header[i])
		}
	}
	want := map[string]string{"sev": strconv.Itoa(min(max(r.Severity, 1), 10))}
	cut := false
	put := func(key string, v []byte, limit int) {
		s, c := leefText(v, between, limit)
		if cut = cut || c; s != "" {
			want[key] = s
		}
	}
	if ms := r.When().Millis(); ms >= 1e12 && ms < 1e13 {
		want["devTime"] = strconv.FormatInt(ms, 10)
	} else {
		want["devTime"] = r.When().Go().UTC().Format("Jan 02 2006 15:04:05.000") + " GMT"
		want["devTimeFormat"] = "MMM dd yyyy HH:mm:ss.SSS z"
	}
	host := r.Get(record.DeviceHost)
	if len(host) == 0 {
		host = r.Host
	}
	for key, v := range map[string][]byte{"cat": r.Category, "action": r.Action, "outcome": r.Outcome, "externalId": r.ID, "eventName": r.Name, "deviceHost": host, "msg": r.Message} {
		put(key, v, 0)
	}
	for k := range record.Key(len(record.Keys)) {
		key := record.Keys[k].LEEF
		switch {
		case !r.Has(k) || k == record.DeviceHost || k == record.TenantID && !written(got, key):
		case record.Keys[k].Kind == record.FactTime:
			want[key] = strconv.FormatInt(r.GetTime(k).Millis(), 10)
		case record.Keys[k].Kind == record.FactIP:
			v := r.Get(k)
			if v, _, _ = bytes.Cut(v, []byte("%")); text.IPv4(r.Get(k)) || text.IPv6(v) {
				put(key, v, 0)
			}
		case k == record.UserName:
			put(key, r.Get(k), 255)
		default:
			put(key, r.Get(k), 0)
		}
	}
	return leefRest(got, want, r, between, cut)
}

func written(e strict.LEEF, key string) bool { _, ok := e.Values[key]; return ok }

// leefRest holds that all else in the event are custom values, each under a key that is
// made of its label, of its slot or of a fact that is not known.
func leefRest(got strict.LEEF, want map[string]string, r *record.Record, between string, cut bool) error {
	values := map[string]int{}
	for s := range record.Slot(len(record.Slots)) {
		_, v, at := r.GetSlot(s)
		text, _ := leefText(v, between, 0)
		if !at.IsZero() {
			text = string(at.Append(nil, 3))
		}
		if text != "" && r.HasSlot(s) {
			values[text]++
		}
	}
	for key, v := range got.Values {
		w, fixed := want[key]
		switch {
		case fixed && w == v:
			continue
		case fixed:
			return differ(key, w, v)
		case key == "truncated" && v == "true" && cut, key == "uid" && len(v) == 64, key == "received":
			continue
		}
		if values[v]--; values[v] < 0 {
			return fmt.Errorf("key %s=%q came out of nowhere", key, v)
		}
		if _, predefined := want[key]; predefined || !slotKey[key] && key != "tenantId" && key != "policy" && !fromLabel(r, key) {
			return fmt.Errorf("key %s is nobody's label", key)
		}
	}
	for key, w := range want {
		if _, ok := got.Values[key]; !ok {
			return differ(key, w, "")
		}
	}
	return nil
}

func fromLabel(r *record.Record, key string) bool {
	for s, ok := r.NextSlot(0); ok; s, ok = r.NextSlot(s + 1) {
		label, _, _ := r.GetSlot(s)
		if clean := regexp.MustCompile(`[^A-Za-z0-9]`).ReplaceAllString(label, ""); clean == key {
			return true
		}
	}
	return false
}

// --- RFC 5424

func syslogText(s []byte) string {
	var b strings.Builder
	for _, c := range noBOM(s) {
		if c < 0x20 && c != '\t' || c == 0x7f {
			fmt.Fprintf(&b, "#%03o", c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func syslogName(s []byte, limit int) string {
	var b strings.Builder
	for _, c := range noBOM(s) {
		if b.Len() == limit {
			break
		}
		if c < 33 || c > 126 {
			c = '_'
		}
		b.WriteRune(c)
	}
	if b.String() == "-" {
		return ""
	}
	return b.String()
}

func read5424(out []byte, r *record.Record) error {
	got, err := strict.ReadSyslog(out)
	if err != nil {
		return err
	}
	host := r.Host
	if len(host) == 0 {
		host = []byte("own")
	}
	want := strict.Syslog{
		PRI: 16*8 + text.SyslogSeverity(r.Severity), Time: string(r.When().Append(nil, 3)), Host: syslogName(host, 255), App: "siemfwd",
		MsgID: syslogName(r.Class, 32), Msg: syslogText(r.Message),
	}
	want.HasMsg = want.Msg != ""
	e := strict.Element{ID: formatters.DefaultSDID}
	for k := range record.Key(len(record.Keys)) {
		if !r.Has(k) {
			continue
		}
		v := syslogText(r.Get(k))
		if record.Keys[k].Kind == record.FactTime {
			v = string(r.GetTime(k).AppendJSON(nil))
		}
		e.Params = append(e.Params, [2]string{record.Keys[k].Name, v})
	}
	if e.Params != nil {
		want.SD = []strict.Element{e}
	}
	if w, g := fmt.Sprintf("%+q", fmt.Sprint(want)), fmt.Sprintf("%+q", fmt.Sprint(got)); w != g {
		return fmt.Errorf("want %s\ngot %s", w, g)
	}
	return nil
}

// --- JSON

// parseJSON reads one object and refuses names that come twice.
func parseJSON(out []byte) (map[string]any, error) {
	if bytes.ContainsAny(out, "\n\r\x00\x7f") || bytes.Contains(out, []byte("\u2028")) {
		return nil, fmt.Errorf("not one line")
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber()
	v, err := jsonValue(d)
	if err == nil && d.More() {
		err = fmt.Errorf("something behind the object")
	}
	object, ok := v.(map[string]any)
	if err == nil && !ok {
		err = fmt.Errorf("no object")
	}
	return object, err
}

func jsonValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			if _, twice := object[name.(string)]; twice {
				return nil, fmt.Errorf("member %q twice", name)
			}
			if object[name.(string)], err = jsonValue(d); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return object, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := jsonValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	}
	return token, nil
}

// treeOf is what a reader is to find for fields; plain is true where numbers stand as
// they came.
func treeOf(fields []record.Field, named, plain bool) any {
	object, list := map[string]any{}, []any{}
	for i := 0; i < len(fields); i += 1 + int(fields[i].Size) {
		f := &fields[i]
		below := fields[i+1 : i+1+int(f.Size)]
		var v any = valid(f.Text)
		switch f.Kind {
		case record.Null:
			v = nil
		case record.Bool:
			v = string(f.Text) == "true"
		case record.Number:
			if ok, _ := text.Number(f.Text); ok {
				v = numberOf(string(f.Text), plain)
			}
		case record.List:
			v = treeOf(below, false, plain)
		case record.Map:
			v = treeOf(below, true, plain)
		}
		if named {
			object[valid(f.Name)] = v
		} else {
			list = append(list, v)
		}
	}
	if named {
		return object
	}
	return list
}

func numberOf(s string, plain bool) any {
	switch {
	case plain:
	case s == "1e3":
		s = "1000"
	default:
		if n, ok := new(big.Int).SetString(s, 10); ok && n.CmpAbs(big.NewInt(1<<53-1)) > 0 {
			return s
		}
	}
	return json.Number(s)
}

// at follows names into objects; nil when there is nothing.
func member(v any, path ...string) any {
	for _, name := range path {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// expectText holds that a member is a text of the record, or not there when that is empty.
func expectText(object any, path string, want []byte) error {
	got := member(object, strings.Split(path, ".")...)
	if len(want) == 0 && got == nil {
		return nil
	}
	if got != valid(want) {
		return differ(path, valid(want), fmt.Sprint(got))
	}
	return nil
}

func readJSON(out []byte, r *record.Record) error {
	object, err := parseJSON(out)
	if err != nil {
		return err
	}
	for path, want := range map[string][]byte{
		"id": r.ID, "vendor": r.Vendor, "product": r.Product, "version": r.Version, "class": r.Class, "name": r.Name, "category": r.Category, "action": r.Action,
		"outcome": r.Outcome, "message": r.Message, "raw": r.Raw, "source": []byte(r.Source), "observer.host": r.Host, "time": r.When().AppendJSON(nil), "uid": r.AppendUID(nil),
	} {
		if err := expectText(object, path, want); err != nil {
			return err
		}
	}
	for k := range record.Key(len(record.Keys)) {
		v := r.Get(k)
		switch {
		case record.Keys[k].Kind == record.FactTime && r.Has(k):
			v = r.GetTime(k).AppendJSON(nil)
		case record.Keys[k].Kind == record.FactNumber && integer(v):
			if got := member(object, strings.Split(record.Keys[k].Name, ".")...); got != json.Number(v) {
				return differ(record.Keys[k].Name, string(v), fmt.Sprint(got))
			}
			continue
		}
		if err := expectText(object, record.Keys[k].Name, v); err != nil {
			return err
		}
	}
	return sameTree(object["fields"], r, true)
}

func integer(v []byte) bool {
	_, ok := text.Number(v)
	return ok
}

func sameTree(got any, r *record.Record, plain bool) error {
	if len(r.Fields) == 0 && got == nil {
		return nil
	}
	want := treeOf(r.Fields, true, plain)
	if w, g := fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got); w != g {
		return differ("fields", w, g)
	}
	return nil
}

func readECS(out []byte, r *record.Record) error {
	object, err := parseJSON(out)
	if err != nil {
		return err
	}
	message, rule := r.Message, r.Get(record.RuleName)
	if len(message) == 0 {
		message = r.Name
	}
	if len(rule) == 0 {
		rule = r.Get(record.PolicyName)
	}
	for path, want := range map[string][]byte{
		"@timestamp": r.When().Append(nil, 3), "message": message, "event.code": r.Class, "event.action": r.Action, "event.original": r.Raw, "observer.vendor": r.Vendor,
		"observer.product": r.Product, "user.name": r.Get(record.UserName), "rule.name": rule, "url.original": r.Get(record.URL), "file.name": r.Get(record.FileName),
		"event.reason": r.Get(record.Reason), "source.domain": r.Get(record.SrcHost), "labels.siemfwd_uid": r.AppendUID(nil),
	} {
		if err := expectText(object, path, want); err != nil {
			return err
		}
	}
	for name, v := range object["labels"].(map[string]any) {
		switch v := v.(type) {
		case string:
		case []any:
			for _, item := range v {
				if _, ok := item.(string); !ok {
					return fmt.Errorf("label %s holds %T", name, item)
				}
			}
		default:
			return fmt.Errorf("label %s is a %T", name, v)
		}
	}
	return nil
}

func readOCSF(out []byte, r *record.Record) error {
	object, err := parseJSON(out)
	if err != nil {
		return err
	}
	title, id := r.Name, r.ID
	if len(title) == 0 {
		title = r.Message
	}
	if len(title) == 0 {
		title = []byte("unknown")
	}
	if len(id) == 0 {
		id = r.AppendUID(nil)
	}
	for path, want := range map[string][]byte{
		"finding_info.title": title, "finding_info.uid": id, "metadata.event_code": r.Class, "raw_data": r.Raw, "evidences.actor.user.name": r.Get(record.UserName),
		"evidences.src_endpoint.hostname": r.Get(record.SrcHost), "metadata.tenant_uid": r.Get(record.TenantID), "resources.uid": r.Get(record.ObjectID),
	} {
		if err := expectText(object, path, want); err != nil {
			return err
		}
	}
	if want := json.Number(strconv.FormatInt(r.When().Millis(), 10)); object["time"] != want {
		return differ("time", want, fmt.Sprint(object["time"]))
	}
	return sameTree(object["unmapped"], r, false)
}
