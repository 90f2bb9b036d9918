package config_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/forwarder/config"
)

// askKeys are of a type whose vendors add keys of their own.
type askKeys struct {
	Every time.Duration `yaml:"every" doc:"how often"`
	Span  time.Duration `yaml:"span"`
}

type acmeKeys struct {
	Region string           `yaml:"region" enum:"us|eu" required:"true" doc:"where the tenant is"`
	Key    component.Secret `yaml:"access_key"`
}

func (k *acmeKeys) Check(r *component.Report) {
	if k.Region == "eu" && k.Key.IsZero() {
		r.Error("access_key", "the eu wants a key", "")
	}
}

type zenithKeys struct {
	Username string `yaml:"username"`
}

func vendorKinds() config.Kinds {
	ask := config.Kind{
		Doc:    "asks",
		Config: func() any { return &askKeys{Every: 5 * time.Minute} },
		VendorConfig: func(vendor string) (cfg, own any) {
			switch vendor {
			case "acme":
				return &askKeys{Every: time.Minute, Span: time.Hour}, &acmeKeys{}
			case "zenith":
				return &askKeys{Every: 5 * time.Minute}, &zenithKeys{}
			}
			return nil, nil
		},
	}
	return config.Kinds{
		Sources: map[string]config.Kind{"ask": ask, "listen": {}},
		Sinks:   map[string]config.Kind{"stdout": {}},
		Vendors: []string{"acme", "text", "zenith"},
		Formats: []string{"json"},
	}
}

func parseVendor(source string) (*config.Config, config.Problems) {
	text := "sources:\n  a: {" + source + "}\nsinks:\n  s: {type: stdout, format: json}\n"
	return config.Parse([]config.File{{Name: "t.yaml", Data: []byte(text)}}, vendorKinds(), config.Options{})
}

func TestVendorKeysStandBesideThoseOfTheType(t *testing.T) {
	c, ps := parseVendor("type: ask, vendor: acme, region: us, access_key: hunter2, span: 2h")
	require.NoError(t, ps.Err())
	assert.Equal(t, &askKeys{Every: time.Minute, Span: 2 * time.Hour}, c.Sources[0].Config, "defaults are the vendor's")
	own := c.Sources[0].VendorConfig.(*acmeKeys)
	assert.Equal(t, "us", own.Region)
	assert.Equal(t, "hunter2", own.Key.Reveal())
	y, err := c.YAML()
	require.NoError(t, err)
	assert.Contains(t, string(y), "region: us")
	assert.Contains(t, string(y), "access_key: <secret>")
	assert.Contains(t, string(y), "span: 2h")

	c, ps = parseVendor("type: ask, vendor: zenith, every: 30s")
	require.NoError(t, ps.Err())
	assert.Equal(t, &askKeys{Every: 30 * time.Second}, c.Sources[0].Config)
	assert.Equal(t, &zenithKeys{}, c.Sources[0].VendorConfig)

	c, ps = parseVendor("type: listen, vendor: acme")
	require.NoError(t, ps.Err())
	assert.Nil(t, c.Sources[0].VendorConfig)
}

func TestVendorKeysMistakes(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"type: ask, vendor: text, every: 1m, region: us", `type "ask" does not go with vendor "text" in sources.a [it goes with acme, zenith]`},
		{"type: ask, vendor: acme, region: us, regoin: us", `unknown key "regoin" in sources.a [did you mean region?]`},
		{"type: ask, vendor: acme, region: us, evry: 1m", `unknown key "evry" in sources.a [did you mean every?]`},
		{"type: ask, vendor: zenith, region: us", `unknown key "region" in sources.a [known here: every, keep, severity, span, spool, sync, timezone, type, username, vendor, when_full]`},
		{"type: ask, vendor: acme", `missing key "region" in sources.a [region: where the tenant is]`},
		{"type: ask, vendor: acme, region: eu", `sources.a.access_key: the eu wants a key []`},
		{"type: ask, vendor: acme, region: mars", `unknown region "mars" in sources.a [one of us, eu]`},
		{"type: ask, region: us", `missing key "vendor" in sources.a [one of acme, zenith]`},
		{"type: ask, vendor: acne, region: us", `unknown vendor "acne" in sources.a [did you mean acme?]`},
		{"type: ask, vendor: [acme], region: us", `sources.a.vendor: want text, got a list []`},
		{"type: ask, vendor: , region: us", `sources.a.vendor has no value [write text, or remove the line]`},
	} {
		_, ps := parseVendor(c.source)
		var got []string
		for _, p := range ps {
			got = append(got, p.Text+" ["+p.Hint+"]")
		}
		assert.Equal(t, []string{c.want}, got, c.source)
	}
}

func TestVendorKeysAreDocumented(t *testing.T) {
	var of []config.Section
	for _, s := range config.Doc(vendorKinds()) {
		if s.Type == "ask" {
			of = append(of, s)
		}
	}
	require.Len(t, of, 3)
	assert.Empty(t, of[0].Vendor)
	assert.Equal(t, "acme", of[1].Vendor)
	assert.Equal(t, []config.Key{
		{Key: "region", Type: "text", Enum: []string{"us", "eu"}, Required: true, Doc: "where the tenant is"},
		{Key: "access_key", Type: "secret"},
		{Key: "every", Type: "duration", Default: "1m", Doc: "how often"},
		{Key: "span", Type: "duration", Default: "1h"},
	}, of[1].Keys, "its own, and those with another default")
	assert.Equal(t, "zenith", of[2].Vendor)
	assert.Len(t, of[2].Keys, 1)
}

func TestATypeNoVendorGoesWith(t *testing.T) {
	k := vendorKinds()
	k.Vendors = []string{"text"}
	_, ps := config.Parse([]config.File{{Name: "t.yaml", Data: []byte("sources: {a: {type: ask, vendor: text}}\nsinks: {s: {type: stdout, format: json}}\n")}}, k, config.Options{})
	require.Len(t, ps, 1)
	assert.Equal(t, "it goes with no vendor yet", ps[0].Hint)
}

// Vendors that add nothing to a type are not listed one by one.
func TestVendorsWithoutKeys(t *testing.T) {
	k := vendorKinds()
	ask := k.Sources["ask"]
	add := ask.VendorConfig
	ask.VendorConfig = func(vendor string) (cfg, own any) {
		if vendor == "acme" {
			return add(vendor)
		}
		return ask.Config(), &struct{}{}
	}
	k.Sources["ask"] = ask
	var vendors []string
	for _, s := range config.Doc(k) {
		if s.Type == "ask" {
			vendors = append(vendors, s.Vendor)
		}
	}
	assert.Equal(t, []string{"", "acme"}, vendors)
	text, err := config.Schema(k)
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(text, &s.root))
	for source, good := range map[string]bool{
		`{"type":"ask","vendor":"text"}`: true, `{"type":"ask","vendor":"zenith","every":"1m"}`: true,
		`{"type":"ask","vendor":"acme","region":"us"}`: true, `{"type":"ask","vendor":"text","region":"us"}`: false, `{"type":"ask"}`: false,
	} {
		var v any
		require.NoError(t, json.Unmarshal([]byte(`{"sources":{"a":`+source+`},"sinks":{"s":{"type":"stdout","format":"json"}}}`), &v))
		assert.Equal(t, good, s.check(s.root, v) == nil, source)
	}
}
