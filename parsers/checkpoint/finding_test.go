package checkpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/forwarder/record"
)

// found reads data and description as parse does and shows what is not empty.
func found(kind, data, description string) string {
	r := &record.Record{}
	e := event{r: r, kind: []byte(kind), data: []byte(data), description: []byte(description)}
	e.find()
	e.found.addFields(r)
	var out []string
	for i := 1; i < len(r.Fields); i++ {
		if r.Fields[i].Kind == record.List {
			continue
		}
		out = append(out, strings.TrimPrefix(string(r.Fields[i].Name)+"="+string(r.Fields[i].Text), "="))
	}
	return strings.Join(out, "|")
}

func TestTemplate(t *testing.T) {
	user := func(label string) string { return `#{"entity_type": "google_user", "label": "` + label + `"}` }
	mail := `#{"entity_type": "office365_emails_email", "label": "S"}`
	for data, want := range map[string]string{
		``:               ``,
		`plain # {text}`: `text=plain # {text}`,
		`mail from ` + user("a@b.example") + ` - '` + mail + `' (` + user("c@d.example") + `'s mailbox)`: `text=mail from a@b.example - 'S' (c@d.example's mailbox)|sender=a@b.example|recipient=c@d.example|subject=S`,
		`mail from ` + user("a@b.example") + ` (` + user("c@d.example") + `’s mailbox)`:                  `text=mail from a@b.example (c@d.example’s mailbox)|sender=a@b.example|recipient=c@d.example`,
		`mail from ` + user("<Unknown>") + ` (` + user("<Unknown>") + `'s mailbox)`:                      `text=mail from <Unknown> (<Unknown>'s mailbox)`,
		user("a@b.example") + ` performed x`:                                                             `text=a@b.example performed x|actor=a@b.example`,
		` ` + user("a@b.example") + ` reported x`:                                                        `text= a@b.example reported x|actor=a@b.example`,
		user("Zoë Roe") + ` is using x`:                                                                  `text=Zoë Roe is using x|actor=Zoë Roe`,
		`today ` + user("a") + ` performed x`:                                                            `text=today a performed x`,
		user("a") + ` was told`:                                                                          `text=a was told`,
		`x ` + user("a"):                                                                                 `text=x a`,
		`#{"entity_type": "ms_defender_scan", "label": "Defender"} and #{"entity_type": "avanan_ap_scan", "label": "AP"}`: `text=Defender and AP|engine=ms_defender_scan|verdict=Defender`,
		`#{"entity_type": "avanan_dlp", "label": "<Unknown>"}`:                                                            `text=<Unknown>|engine=avanan_dlp`,
		// The label may be missing, of another type, escaped, or stand first.
		`a #{"entity_type": "x"} b`: `text=a  b`,
		`a #{} b`:                   `text=a  b`,
		`a #{"label": null, "display": "shown"} b`:                         `text=a shown b`,
		`a #{"label": 5} b`:                                                `text=a 5 b`,
		`a #{"label": {"x": "y"}} b`:                                       `text=a  b`,
		`'#{"label":"\u00dc \ud83d\udcb8 \"q\"","entity_type":"x_email"}'`: `text='Ü 💸 "q"'|subject=Ü 💸 "q"`,
		`#{"tooltip_fields":[{"a":"}"},[{"b":"#{"}]],"label":"deep"} end`:  `text=deep end`,
		// A label cannot pretend to be a token or a sender.
		`'#{"label":"from ","entity_type":"x_email"}'` + user("v") + ` x`: `text='from 'v x|subject=from `,
		`#{"label":"#{\"label\":\"in\"}","entity_type":"x_email"}`:        `text=#{"label":"in"}|subject=#{"label":"in"}`,
		// What is no token stays.
		`a #{b} #{"c"} #{"d": ` + user("u") + `'s mailbox`: `text=a #{b} #{"c"} #{"d": u's mailbox|recipient=u`,
		`cut #{"label": "x`:                   `text=cut #{"label": "x`,
		strings.Repeat("#{", 100) + user("u"): `text=` + strings.Repeat("#{", 100) + `u`,
	} {
		assert.Equal(t, want, found("phishing", data, ""), data)
	}
}

// What the tokens say counts before what the description says.
func TestTemplateBeforeDescription(t *testing.T) {
	const data = `mail from #{"entity_type":"google_user","label":"a@b.example"} - '#{"entity_type":"google_mail_email","label":"S 💸"}'`
	assert.Equal(t, `text=mail from a@b.example - 'S 💸'|sender=a@b.example|recipient=c@d.example|subject=S 💸`,
		found("phishing", data, "mail from x@y.example - 'S' (c@d.example's mailbox)"))
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"Phishing attempt detected in an email from a@b.example - 'Your payslip' (c@d.example's mailbox)": "sender=a@b.example|recipient=c@d.example|subject=Your payslip",
		"Phishing attempt detected in an email from b.example - 'Don't 'do' it' (c@d.example's mailbox).": "sender=b.example|recipient=c@d.example|subject=Don't 'do' it",
		"Microsoft has detected malicious attachment(s) in 'Re: PO (4471)' (team@d.example's mailbox)":    "recipient=team@d.example|subject=Re: PO (4471)",
		"in an email from o'neil@b.example - 'S' (o'neil@d.example's mailbox)":                            "sender=o'neil@b.example|recipient=o'neil@d.example|subject=S",
		"SmartDLP has detected PCI leak in 'Übersicht' (<Unknown>'s mailbox)":                             "subject=Übersicht",
		"in an email from <Unknown> - '<Unknown>' (<Unknown>'s mailbox)":                                  "",
		"DLP Engine has detected a leak in ‘please see’ from user@customer.example":                       "sender=user@customer.example|subject=please see",
		"DLP has detected a leak in 'it's from me' from user@customer.example":                            "sender=user@customer.example|subject=it's from me",
		"DLP has detected a leak in 'a file' from the cloud":                                              "subject=a file",
		"email from Bill Smith - 'S'":                                                 "subject=S",
		"x@y.example reported 'S' as phishing":                                        "actor=x@y.example",
		"x@y.example performed something for the first time from Korea, Republic of.": "actor=x@y.example|country=Korea, Republic of",
		"somebody performed something for the first time from <Unknown>":              "",
		"x is using y":           "",
		"(x's mailbox) and more": "",
		"x's mailbox)":           "",
		"' ' ' (":                "",
		"":                       "",
	} {
		assert.Equal(t, want, found("phishing", "", text), text)
	}
}

func TestAddressesOfAnomalies(t *testing.T) {
	const text = "a@b.example performed a login from Oslo (10.0.0.1, 2001:db8::7;203.0.113.9 198.51.100.1) and (203.0.113.9) (IP 192.0.2.300) (x"
	assert.Equal(t, "actor=a@b.example|10.0.0.1|2001:db8::7|203.0.113.9|198.51.100.1", found("anomaly", "", text))
	assert.Equal(t, "actor=a@b.example", found("phishing", "", text), "elsewhere parentheses hold what a sender wrote")

	var many []string
	for i := range 3 * mostIPs {
		many = append(many, fmt.Sprintf("(203.0.113.%d)", i))
	}
	assert.Equal(t, mostIPs, strings.Count(found("anomaly", "", strings.Join(many, " ")), "203.0.113."))

	for ips, want := range map[string]string{
		"10.0.0.1, 203.0.113.9":                          "203.0.113.9",
		"127.0.0.1, 169.254.1.1, 100.64.0.1, 172.16.9.9": "",
		"0.0.0.0, ::, ::1, fe80::1, fc00::1, ff02::1":    "",
		"224.0.0.1, 255.255.255.255, 192.168.1.1":        "",
		"::ffff:10.0.0.1, ::ffff:203.0.113.9":            "::ffff:203.0.113.9",
		"fd00::1, 2a00:1450:4001::1":                     "2a00:1450:4001::1",
	} {
		r := parsed(t, `{"eventId":"1","type":"anomaly","severity":1,"description":"login (`+ips+`)"}`)
		assert.Equal(t, want, string(r.Get(record.SrcIP)), ips)
	}
}

// Text that looks like a token again and again is not read to its end each time: were
// it, this test would not come to its own.
func TestTemplateTakesLinearTime(t *testing.T) {
	for _, piece := range []string{
		`#{`, `#{"`, `#{"a":`, `#{"a":[`, `#{"a":"`, `#{":":"`, `#{"a":{"b":"#{`, `"#{":":",`, `",#{":",",`, `#{"\"`, `{"#{":`, `' (`, `' from `, `(`,
	} {
		data := `#{"` + strings.Repeat(piece, 1<<20/len(piece))
		assert.Contains(t, found("anomaly", data, data), "text=")
	}
}
