package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/event"
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// profileDoc is what a profile sets, as a table; "" for a word that is no profile.
func profileDoc(word string) string {
	var b strings.Builder
	for _, p := range forwarder.Profiles() {
		if p.Name != word {
			continue
		}
		fmt.Fprintf(&b, "\n## What `profile: %s` sets\n\nKeys that are given win.\n\n| Key | Value | Types | Why |\n|---|---|---|---|\n", p.Name)
		for _, s := range p.Settings {
			value := code(s.Value)
			if len(s.Others) > 0 {
				value += " (or `" + strings.Join(s.Others, "` `") + "`)"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, value, strings.Join(s.Types, ", "), strings.ReplaceAll(s.Why, "|", `\|`))
		}
	}
	return b.String()
}

// kindOfEvent is what a receiver tells events apart by.
type kindOfEvent struct {
	vendor, product, class, category, name string
	severity                               int // the highest
}

// kindsOfEvents lists the kinds that the samples of the products hold, those with a class
// that names a kind and not one rule or event; and the pairs of vendor and product, joined
// by "_".
func kindsOfEvents() (kinds []kindOfEvent, products []string, err error) {
	for _, v := range parsers.Products() {
		samples, err := kit.ReadSamples(v)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range samples {
			add := func(raw []byte) error {
				var r record.Record
				err := forwarder.ReadEvent(&r, v, event.Raw{Data: raw, Size: len(raw), Time: time.Unix(0, 0)}, forwarder.Origin{Source: "sample"})
				if err != nil || len(r.Vendor) == 0 {
					return err
				}
				if pair := string(r.Vendor) + "_" + string(r.Product); !slices.Contains(products, pair) {
					products = append(products, pair)
				}
				if !r.Test && stable(&r) {
					kinds = addKind(kinds, &r)
				}
				return nil
			}
			if err := split(v, s.Raw, add); err != nil {
				continue // a sample of what a listener refuses
			}
		}
	}
	slices.SortFunc(kinds, func(a, b kindOfEvent) int {
		return strings.Compare(a.vendor+"\x00"+a.class+"\x00"+a.category, b.vendor+"\x00"+b.class+"\x00"+b.category)
	})
	slices.Sort(products)
	return kinds, products, nil
}

// stable reports whether a record's class is a word of the product's: the class of others
// is the id of a rule, or what somebody called it.
func stable(r *record.Record) bool {
	return len(r.Class) > 0 && !bytes.Contains(r.Class, []byte(" ")) && !bytes.Equal(r.Class, r.Name) && !bytes.Equal(r.Class, r.Get(record.RuleID))
}

func addKind(all []kindOfEvent, r *record.Record) []kindOfEvent {
	name, _, _ := strings.Cut(string(r.Name), ": ") // behind it is what this event came to
	k := kindOfEvent{string(r.Vendor), string(r.Product), string(r.Class), string(r.Category), name, r.Severity}
	for i := range all {
		if a := &all[i]; a.vendor == k.vendor && a.class == k.class && a.category == k.category {
			a.severity = max(a.severity, k.severity)
			return all
		}
	}
	return append(all, k)
}

// lowLevel are QRadar's low-level categories by a word in a class or category, the first
// that fits.
var lowLevel = []struct {
	word string
	id   int
}{
	{"malware", unknownMalware}, {"audit", generalAudit}, {"policy", unknownViolation}, {"dlp", unknownViolation}, {"jit_", generalAudit},
	{"discovered", generalAudit}, {"renamed", generalAudit}, {"user_", generalAudit}, {"unparsed", generalAudit}, {"", unknownSuspicious},
}

// Low-level categories of QRadar (IBM QRadar Administration Guide, event categories).
const (
	unknownMalware    = 6001
	unknownSuspicious = 7001
	unknownViolation  = 9001
	generalAudit      = 19001
)

// qidMap renders the kinds of events as a table to map them in QRadar by.
func qidMap() (string, error) {
	kinds, _, err := kindsOfEvents()
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{"event_id", "event_category", "qid_name", "qid_description", "severity", "low_level_category_id"}}
	for _, k := range kinds {
		id := 0
		for _, l := range lowLevel {
			if id == 0 && strings.Contains(strings.ToLower(k.class+" "+k.category), l.word) {
				id = l.id
			}
		}
		rows = append(rows, []string{k.class, k.category, k.product + ": " + k.name, k.vendor + " " + k.product + ", " + k.name,
			strconv.Itoa(min(max(k.severity, 1), 10)), strconv.Itoa(id)})
	}
	err = w.WriteAll(rows)
	return b.String(), err
}

// splunkConf renders configuration files for Splunk: a stanza for each product.
func splunkConf() (string, error) {
	_, products, err := kindsOfEvents()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(splunkHead)
	last := ""
	for _, p := range products {
		if vendor, _, _ := strings.Cut(p, "_"); vendor != last {
			fmt.Fprintf(&b, "\n[siemfwd:%s]\n%s", tidy(vendor), splunkJSON)
			last = vendor
		}
	}
	b.WriteString(splunkCEF)
	b.WriteString("\n# --- splunk_metadata.csv of SC4S: choose the index\n")
	for _, p := range products {
		fmt.Fprintf(&b, "%s,index,siemfwd\n", p)
	}
	return b.String(), nil
}

// tidy is a vendor as {vendor} in `sourcetype:` writes it.
func tidy(s string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '_'
	}, s), "_")
}

const splunkHead = `# --- props.conf on the search heads: HEC, format: json, sourcetype: "siemfwd:{vendor}"
# The time of an event is in its envelope; nothing is extracted when it is indexed.
`

const splunkJSON = `KV_MODE = json
TRUNCATE = 0
FIELDALIAS-siemfwd = "user.name" AS user "src.ip" AS src "src.host" AS src_host "dst.ip" AS dest "dst.host" AS dest_host "file.name" AS file_name "file.path" AS file_path "file.hash" AS file_hash "policy.name" AS policy "rule.name" AS signature "id" AS event_id
EVAL-vendor_product = vendor . " " . product
EVAL-severity_id = severity
EVAL-severity = case(severity>=9, "critical", severity>=7, "high", severity>=5, "medium", severity>=3, "low", severity>=1, "informational", true(), "unknown")
`

const splunkCEF = `
# --- props.conf: CEF by a file, or by HEC with format: cef
[siemfwd:cef]
SHOULD_LINEMERGE = false
LINE_BREAKER = ([\r\n]+)
TRUNCATE = 65536
KV_MODE = none
REPORT-siemfwd = siemfwd_cef_header, siemfwd_cef_pairs
EVAL-dest = coalesce(dst, dhost)
EVAL-user = coalesce(suser, duser)

# --- transforms.conf
[siemfwd_cef_header]
REGEX = CEF:[01]\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|((?:[^|\\]|\\.)*)\|(\d+)\|
FORMAT = device_vendor::$1 device_product::$2 device_version::$3 signature_id::$4 signature::$5 severity_id::$6

[siemfwd_cef_pairs]
REGEX = (?:\||\s)([A-Za-z0-9]+)=((?:[^=\\]|\\.)*?)(?=\s[A-Za-z0-9]+=|$)
FORMAT = $1::$2
MV_ADD = false
`
