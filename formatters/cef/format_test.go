package cef_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/formatters/cef"
	"github.com/siemfwd/siemfwd/formatters/strict"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func render(t *testing.T, r *record.Record) strict.CEF {
	t.Helper()
	line, err := cef.Formatter{}.Append(nil, r)
	require.NoError(t, err)
	return mustParse(t, line)
}

// order is the one order of keys; those between which the contract leaves a choice
// stand where this package puts them.
var order = strings.Fields(`rt start end externalId src c6a2 c6a2Label shost spt smac suser suid sntdom spriv
	dst c6a3 c6a3Label dhost dpt dmac duser duid destinationServiceName deviceExternalId deviceFacility dvc dvchost proto app
	fname filePath fsize fileHash fileType fileId sproc spid dproc dpid act outcome cat cnt in out
	cn1 cn1Label cn2 cn2Label cn3 cn3Label cs1 cs1Label cs2 cs2Label cs3 cs3Label cs4 cs4Label cs5 cs5Label cs6 cs6Label
	cfp1 cfp1Label cfp2 cfp2Label cfp3 cfp3Label cfp4 cfp4Label c6a1 c6a1Label c6a4 c6a4Label
	flexNumber1 flexNumber1Label flexNumber2 flexNumber2Label flexString1 flexString1Label flexString2 flexString2Label
	flexDate1 flexDate1Label deviceCustomDate1 deviceCustomDate1Label deviceCustomDate2 deviceCustomDate2Label
	request requestContext requestMethod requestClientApplication reason adReplay msg`)

// fill sets everything a record can say; ip is every address.
func fill(ip string) *record.Record {
	at := record.Unix(1700000000123000000, 3)
	r := &record.Record{
		Vendor: []byte("v"), Product: []byte("p"), Version: []byte("1"), Class: []byte("c"), Name: []byte("n"), Severity: 7,
		Time: at, ID: []byte("id"), Category: []byte("cat"), Action: []byte("act"), Outcome: []byte("outcome"), Message: []byte("msg"),
	}
	for k := range record.Key(len(record.Keys)) {
		switch record.Keys[k].Kind {
		case record.FactTime:
			r.SetTime(k, at)
		case record.FactNumber:
			r.Set(k, []byte("42"))
		case record.FactIP:
			r.Set(k, []byte(ip))
		default:
			r.Set(k, []byte(record.Keys[k].Name))
		}
	}
	r.Set(record.SrcMAC, []byte("00:50:56:c0:00:08"))
	r.Set(record.DstMAC, []byte("00:50:56:c0:00:08"))
	for s := range record.Slot(len(record.Slots)) {
		switch k := lookup(record.Slots[s].CEF); k.Type {
		case cef.Timestamp:
			r.SetSlotTime(s, "label", at)
		case cef.IPv6:
			r.SetSlot(s, "label", []byte("2001:db8::5"))
		default:
			r.SetSlot(s, "label", []byte("7"))
		}
	}
	return r
}

func TestEverythingStandsInItsOrder(t *testing.T) {
	without := func(drop ...string) []string {
		return slices.DeleteFunc(slices.Clone(order), func(k string) bool { return slices.Contains(drop, k) })
	}
	e := render(t, fill("192.0.2.1"))
	assert.Equal(t, without("c6a2", "c6a2Label", "c6a3", "c6a3Label"), e.Keys)
	e = render(t, fill("2001:db8::1"))
	assert.Equal(t, append(without("src", "dst", "dvc"), "adTruncated"), e.Keys)
	assert.Equal(t, "2001:db8::5", e.Values["c6a1"], "a slot of the record's own goes before the device's address")
}

func TestEveryKeyExists(t *testing.T) {
	for _, k := range record.Keys {
		if k.CEF != "" {
			assert.Contains(t, order, k.CEF, k.Name)
		}
	}
	for _, key := range order {
		k, ok := cef.Lookup(key)
		assert.Truef(t, ok && !k.Consumer || strings.HasPrefix(key, "ad"), key)
	}
}

func TestFacts(t *testing.T) {
	r := &record.Record{Received: time.UnixMilli(1700000000999)}
	assert.Equal(t, map[string]string{"rt": "1700000000999"}, render(t, r).Values, "no event time: when it was received")

	r.Host = []byte("ec1")
	r.SetTime(record.ObjectCreated, record.Unix(1600000000000000000, 0))
	r.Set(record.DeviceIP, []byte("2001:db8::3"))
	r.Set(record.DstIP, []byte("fw1"))
	r.Set(record.BytesIn, []byte("5000000000"))
	r.Set(record.FileSize, []byte("6000000000"))
	r.Set(record.BytesOut, []byte("many"))
	r.SetSlot(record.CN1, "Own", []byte("1"))
	r.SetSlot(record.CN3, "NoNumber", []byte("Once"))
	r.SetSlot(record.CS1, "Blank", []byte("  "))
	assert.Equal(t, map[string]string{
		"rt": "1700000000999", "start": "1600000000000", "dvchost": "ec1",
		"cn1": "1", "cn1Label": "Own", "cn2": "6000000000", "cn2Label": "fileSize", "adTruncated": "true", // in has no slot
		"c6a1": "2001:db8::3", "c6a1Label": "Device IPv6 Address",
	}, render(t, r).Values)

	r.SetTime(record.Start, record.Unix(-1, 9))
	r.Set(record.DeviceHost, []byte("named"))
	e := render(t, r)
	assert.Equal(t, "-1", e.Values["start"], "start goes before object.created, and never moves into the future")
	assert.Equal(t, "named", e.Values["dvchost"])
}

func TestWideIntegersTakeFreeSlots(t *testing.T) {
	r := &record.Record{}
	for _, k := range []record.Key{record.BytesIn, record.BytesOut, record.FileSize, record.Count} {
		r.Set(k, []byte("5000000000"))
	}
	e := render(t, r)
	assert.Equal(t, []string{"cn1", "cn1Label", "cn2", "cn2Label", "cn3", "cn3Label", "adTruncated"}, e.Keys, "the fourth has no place")
	assert.Equal(t, 1, r.Shortened)
	assert.Equal(t, []string{"fileSize", "baseEventCount", "bytesIn"}, []string{e.Values["cn1Label"], e.Values["cn2Label"], e.Values["cn3Label"]})
}

func TestAppendMax(t *testing.T) {
	r := fill("2001:db8::1")
	r.Swap(record.PlaceOf(record.DeviceIP), record.Value{}) // its slot is taken
	r.Message = []byte(strings.Repeat(`a=\ é`+"\n", 100))
	whole, err := cef.Formatter{}.Append(nil, r)
	require.NoError(t, err)
	full := mustParse(t, whole)
	head := len("CEF:0|v|p|1|c|n|7|")
	for limit := range len(whole) + 2 {
		line, err := cef.Formatter{}.AppendMax([]byte("kept"), r, limit)
		require.Equal(t, "kept", string(line[:4]))
		if limit < head {
			require.Error(t, err)
			require.Len(t, line, 4)
			continue
		}
		require.NoError(t, err)
		require.LessOrEqual(t, len(line)-4, limit)
		e := mustParse(t, line[4:])
		complete := len(e.Keys) == len(full.Keys) && e.Values["msg"] == full.Values["msg"]
		require.Equal(t, !complete, r.Shortened > 0)
		if len(line)-4 < limit-len(" adTruncated=true") {
			require.Equal(t, !complete, e.Values["adTruncated"] == "true", "%s", line)
		}
		for _, key := range e.Keys {
			if key == "adTruncated" {
				continue
			}
			if key == "msg" {
				require.True(t, strings.HasPrefix(full.Values[key], e.Values[key]))
				continue
			}
			require.Equal(t, full.Values[key], e.Values[key], "only the message is cut")
			if lookup(key+"Label").Name != "" {
				require.Contains(t, e.Keys, key+"Label", "a slot keeps its label")
			}
		}
	}
}

func TestFormatterAllocatesNothing(t *testing.T) {
	for _, ip := range []string{"192.0.2.1", "2001:db8::1"} {
		r := fill(ip)
		r.Set(record.BytesIn, []byte("5000000000"))
		buf := make([]byte, 0, 4096)
		assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = cef.Formatter{}.Append(buf[:0], r) }))
	}
}

func line(t *testing.T, f cef.Formatter, r *record.Record) string {
	t.Helper()
	out, err := f.Append(nil, r)
	require.NoError(t, err)
	mustParse(t, out)
	return string(out)
}

func TestWhatIsCutIsSaidSo(t *testing.T) {
	long := func(n int) []byte { return []byte(strings.Repeat("é", n)) }
	for name, set := range map[string]func(r *record.Record, extra int){
		"name": func(r *record.Record, extra int) { r.Name = long(512 + extra) },
		"act":  func(r *record.Record, extra int) { r.Action = long(63 + extra) },
		"fact": func(r *record.Record, extra int) { r.Set(record.UserName, long(1023+extra)) },
		"slot": func(r *record.Record, extra int) { r.SetSlot(record.CS1, "L", long(4000+extra)) },
		"msg":  func(r *record.Record, extra int) { r.Message = long(1023 + extra) },
	} {
		r := &record.Record{}
		set(r, 0)
		assert.NotContains(t, line(t, cef.Formatter{}, r), "adTruncated", name)
		assert.Zero(t, r.Shortened, name)
		set(r, 1)
		assert.True(t, strings.HasSuffix(line(t, cef.Formatter{}, r), "adTruncated=true"), name)
		assert.Equal(t, 1, r.Shortened, name)
	}
}

func TestVersion1(t *testing.T) {
	r := &record.Record{}
	r.Set(record.ObjectID, []byte("o-1"))
	r.Set(record.ThreatTechnique, []byte("T1098.003"))
	assert.Equal(t, "CEF:0|unknown|unknown|unknown|unknown|unknown|0|", line(t, cef.Formatter{}, r))
	assert.Equal(t, "CEF:1|unknown|unknown|unknown|unknown|unknown|0|reportedResourceID=o-1 threatAttackID=T1098.003 frameworkName=MITRE ATT&CK",
		line(t, cef.Formatter{Version1: true}, r))
	for _, name := range []string{"reportedResourceID", "frameworkName", "threatAttackID", "threatActor"} {
		assert.True(t, lookup(name).V1, name)
	}
	assert.False(t, lookup("src").V1)
}

func TestPlainIPv6(t *testing.T) {
	r := &record.Record{}
	for _, k := range []record.Key{record.SrcIP, record.DstIP, record.DeviceIP} {
		r.Set(k, []byte("fe80::1%eth0"))
	}
	assert.Equal(t, "CEF:0|unknown|unknown|unknown|unknown|unknown|0|src=fe80::1 dst=fe80::1 dvc=fe80::1", line(t, cef.Formatter{PlainIPv6: true}, r))
}

func TestSnakeLabels(t *testing.T) {
	for label, want := range map[string]string{
		"PolicyName": "policy_name", "MitreTechniques": "mitre_techniques", "SourceIPs": "source_ips", "TenantId": "tenant_id", "Row0": "row0",
		"URLPath": "url_path", "HTTPStatusCode": "http_status_code", "Asset Type": "asset_type", "already_snake": "already_snake", "__x--Y": "x_y", "A": "a", "IDs": "ids",
		"Source2Name": "source2_name", "a=b evil=1": "a_b_evil_1", strings.Repeat("L", 1100): strings.Repeat("l", 1023),
	} {
		r := &record.Record{}
		r.SetSlot(record.CS1, label, []byte("v"))
		assert.Equal(t, "CEF:0|unknown|unknown|unknown|unknown|unknown|0|cs1=v cs1Label="+want, line(t, cef.Formatter{SnakeLabels: true}, r))
	}
	r := &record.Record{}
	r.Set(record.SrcIP, []byte("::1"))
	r.SetSlot(record.CS1, "é", []byte("no word left"))
	assert.Contains(t, line(t, cef.Formatter{SnakeLabels: true}, r), "c6a2Label=source_ipv6_address cs1=no word left cs1Label=cs1")
}

func TestPipeSafe(t *testing.T) {
	r := &record.Record{Vendor: []byte(`"quoted"`), Product: []byte(`a|b\|c\`), Name: []byte(`x|10|src=6.6.6.6`)}
	out := line(t, cef.Formatter{PipeSafe: true}, r)
	assert.Equal(t, `CEF:0|'quoted"|a/b\\/c\\|unknown|unknown|x/10/src=6.6.6.6|0|`, out)
}

func TestTextTime(t *testing.T) {
	r := &record.Record{Time: record.Unix(1700000000123456789, 9)}
	r.SetSlotTime(record.FlexDate1, "Seen", record.Unix(1, 9))
	assert.Equal(t, "CEF:0|unknown|unknown|unknown|unknown|unknown|0|rt=Nov 14 2023 22:13:20.123 UTC flexDate1=Jan 01 1970 00:00:00.000 UTC flexDate1Label=Seen",
		line(t, cef.Formatter{TextTime: true}, r))
}

func TestVendorFields(t *testing.T) {
	b := func(s string) []byte { return []byte(s) }
	r := &record.Record{Message: b("m")}
	user := b("bob")
	r.Set(record.UserName, user)
	r.Add(b("user"), record.String, user)
	r.Add(b("also.user"), record.String, b("bob"))
	r.Open(b("a"), record.Map)
	r.Add(b("b_c d"), record.Number, b("1.50"))
	r.Open(b("list"), record.List)
	r.Add(nil, record.String, b("x=1"))
	r.Add(nil, record.Number, b("2"))
	r.Close()
	r.Open(b("deep"), record.List)
	r.Open(nil, record.Map)
	r.Add(b("k"), record.String, b("v"))
	r.Close()
	r.Close()
	r.Close()
	r.Add(b("ABCD"), record.String, b("same key: a.b_c d"))
	r.Add(b("aBCD"), record.String, b("again"))
	r.Add(b("Truncated"), record.String, b("forged"))
	r.Add(b("replay"), record.String, b("forged"))
	r.Add(b("é="), record.String, b("no key"))
	r.Add(b("none"), record.Null, nil)
	r.Add(b("evil"), record.String, b("x src=6.6.6.6\n"))
	f := cef.Formatter{VendorFields: true}
	assert.Equal(t, `CEF:0|unknown|unknown|unknown|unknown|unknown|0|suser=bob msg=m adAlsoUser=bob adABCD=1.50 adAList=x\=1, 2 adADeep=[{"k":"v"}] adEvil=x src\=6.6.6.6\n`,
		line(t, f, r))
	buf := make([]byte, 0, 4096)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = f.Append(buf[:0], r) }))

	r.Reset()
	for i := range 200 {
		r.Add([]byte{'f', byte('a' + i%26), byte('a' + i/26)}, record.String, b("v"))
	}
	assert.True(t, strings.HasSuffix(line(t, f, r), " adTruncated=true"))
}
