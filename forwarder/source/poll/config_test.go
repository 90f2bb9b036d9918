package poll

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func TestDefaults(t *testing.T) {
	c := Defaults(kit.PollDefaults{})
	assert.Equal(t, Config{Every: 5 * time.Minute, Since: 24 * time.Hour, Overlap: 10 * time.Minute, Settle: 30 * time.Second, Span: time.Hour,
		Updates: true, RescanEvery: time.Hour, RequestsPerMinute: 60, Timeout: time.Minute, MaxPages: 1000, MaxBody: 64 << 20}, c)
	c = Defaults(kit.PollDefaults{Every: 1, Since: 2, Overlap: 3, Settle: 4, Span: 5, Rescan: 6, RescanEvery: 7, Timeout: 8, RequestsPerMinute: 9, MaxPages: 10, Ceiling: 11})
	assert.Equal(t, Config{Every: 1, Since: 2, Overlap: 3, Settle: 4, Span: 5, Rescan: 6, RescanEvery: 7, Timeout: 8, RequestsPerMinute: 9, MaxPages: 10, Ceiling: 11,
		Updates: true, MaxBody: 64 << 20}, c)
	generic := Spec().Config().(*Config)
	var r component.Report
	generic.Check(&r)
	assert.Empty(t, r.Findings)
	_, err := Spec().Build(generic, component.Env{})
	assert.Error(t, err)
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		path   string // of the finding
		warn   bool
	}{
		{func(c *Config) { c.Every = 0 }, "every", false},
		{func(c *Config) { c.Every = time.Second }, "every", true},
		{func(c *Config) { c.Since = -1 }, "since", false},
		{func(c *Config) { c.Since = 0 }, "", false},
		{func(c *Config) { c.Overlap = -1 }, "overlap", false},
		{func(c *Config) { c.Overlap = 0 }, "", false},
		{func(c *Config) { c.Settle = 0 }, "", false},
		{func(c *Config) { c.Span = 0 }, "span", false},
		{func(c *Config) { c.Timeout = 0 }, "timeout", false},
		{func(c *Config) { c.RequestsPerMinute = 0 }, "requests_per_minute", false},
		{func(c *Config) { c.MaxPages = 0 }, "max_pages", false},
		{func(c *Config) { c.Ceiling = -1 }, "ceiling", false},
		{func(c *Config) { c.MaxBody = 0 }, "max_body", false},
		{func(c *Config) { c.MaxBody = 2 << 30 }, "max_body", false},
		{func(c *Config) { c.Rescan, c.RescanEvery = time.Hour, 0 }, "rescan_every", false},
		{func(c *Config) { c.Rescan = time.Minute }, "rescan", true},
		{func(c *Config) { c.Rescan = 24 * time.Hour }, "", false},
	} {
		cfg := Defaults(kit.PollDefaults{})
		c.change(&cfg)
		var r component.Report
		cfg.Check(&r)
		if c.path == "" {
			assert.Empty(t, r.Findings)
			continue
		}
		require.Len(t, r.Findings, 1, c.path)
		assert.Equal(t, c.path, r.Findings[0].Path)
		assert.Equal(t, c.warn, r.Findings[0].Warning)
	}
}

func TestVendorConfig(t *testing.T) {
	cfg, own := VendorConfig(nil)
	assert.Nil(t, cfg)
	assert.Nil(t, own)
	cfg, own = VendorConfig(&kit.Poll{Defaults: kit.PollDefaults{Every: time.Hour}})
	assert.Equal(t, time.Hour, cfg.(*Config).Every)
	assert.NotNil(t, own)
	_, own = VendorConfig(&kit.Poll{Config: func() any { return &ownKeys{} }})
	assert.Equal(t, &ownKeys{}, own)
}

func TestNew(t *testing.T) {
	cfg := Defaults(kit.PollDefaults{})
	env := component.Env{Meter: component.NoMeter{}}
	_, err := New(&cfg, nil, kit.Vendor{Name: "x"}, env, Options{})
	assert.EqualError(t, err, "vendor x cannot be polled")
	_, err = New(&cfg, nil, kit.Vendor{Poll: &kit.Poll{Open: func(any) (*kit.API, error) { return nil, assert.AnError }}}, env, Options{})
	assert.ErrorIs(t, err, assert.AnError)
	_, err = New(&cfg, nil, kit.Vendor{Poll: &kit.Poll{Open: func(any) (*kit.API, error) { return &kit.API{}, nil }}}, env, Options{})
	assert.ErrorContains(t, err, "address of the API")
	s, err := New(&cfg, nil, kit.Vendor{Poll: &kit.Poll{Open: func(any) (*kit.API, error) { return &kit.API{BaseURL: "https://api.example.net"}, nil }}}, env, Options{})
	require.NoError(t, err)
	assert.NotNil(t, s.client.http.Transport)
	spread := s.client.spread()
	assert.True(t, spread >= 0 && spread < 1)
}
