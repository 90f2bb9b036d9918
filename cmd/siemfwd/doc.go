package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder"
	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/parsers"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

func docCommand(a *app) *cobra.Command {
	var qid, conf bool
	cmd := &cobra.Command{
		Use:   "doc VENDOR|TYPE|PROFILE|sources|sinks|queue|dead|tap|trace|replay",
		Short: "Read about a vendor, a type of source or sink, or a receiver: how to set it up, what arrives",
		Long: `Read about a vendor: how to set it up, what arrives. Or about a type of source or sink,
such as splunk_hec, and its keys; sources and sinks show the keys of all of them. Or about a
receiver that a sink's profile: names (splunk, qradar, sentinel, arcsight, elastic): what to
set up there. doc qradar --qid prints a CSV to map events by, doc splunk --conf stanzas for
props.conf and transforms.conf. Or about what is stored (queue), what was refused (dead), and events that pass (tap),
what became of one (trace) and sending them again (replay).

For beyondtrust it prints what to enter in the product and the templates to paste, with
the address and authentication of every source of that vendor in the configuration (-c).
Secrets are not printed; where one belongs, it says which.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, v := range parsers.All() {
				names = append(names, v.Name+"\t"+v.Doc)
			}
			for _, p := range forwarder.Profiles() {
				names = append(names, p.Name+"\t"+p.Doc)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case qid && args[0] != "qradar":
				return usage("--qid goes with qradar")
			case conf && args[0] != "splunk":
				return usage("--conf goes with splunk")
			case qid:
				return a.print(qidMap())
			case conf:
				return a.print(splunkConf())
			}
			return a.doc(args[0], cmd.Flags().Changed("config"))
		},
	}
	cmd.Flags().BoolVar(&qid, "qid", false, "with qradar: a CSV of event ids and categories to map to QIDs")
	cmd.Flags().BoolVar(&conf, "conf", false, "with splunk: stanzas for props.conf, transforms.conf and splunk_metadata.csv")
	return cmd
}

// print prints text that was made.
func (a *app) print(text string, err error) error {
	if err == nil {
		_, err = fmt.Fprint(a.out, text)
	}
	return err
}

func (a *app) doc(name string, withConfig bool) error {
	v, ok := parsers.ByName(name)
	if text := keysDoc(name); !ok && text != "" {
		return a.page(name, text)
	}
	if !ok {
		return usage("%q is no vendor, no type of source or sink and no profile; siemfwd list vendors, siemfwd list sinks, siemfwd list profiles", name)
	}
	text := v.Readme
	if v.Guide != nil {
		hooks, err := a.webhooks(name, withConfig)
		if err != nil {
			return err
		}
		text = v.Guide(hooks) + "\n" + text
	}
	if text == "" {
		text = fmt.Sprintf("# %s\n\nVendor `%s`: %s.\n\nIts samples: siemfwd list samples -o json | grep %s/\n", v.Product, v.Name, v.Doc, v.Name)
	}
	return a.page(name, text)
}

// page prints what there is to read.
func (a *app) page(name, text string) error {
	if a.output == "json" {
		return a.json(struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
			Text string `json:"text"`
		}{"doc", name, text})
	}
	_, err := fmt.Fprint(a.out, text)
	return err
}

// webhooks lists the webhook sources of a vendor. A configuration that was not asked for
// and cannot be used is none.
func (a *app) webhooks(vendor string, asked bool) ([]kit.Webhook, error) {
	if !asked {
		if _, err := os.Stat(a.config); err != nil {
			return nil, nil
		}
	}
	cfg, problems := forwarder.Load(a.config, forwarder.Lenient)
	if problems.Err() != nil {
		if asked {
			problems.Print(a.err, false)
			return nil, exit(exitConfig, nil)
		}
		a.say("%s cannot be used (siemfwd check tells why): addresses are placeholders", a.config)
		return nil, nil
	}
	hooks, err := webhooksOf(cfg, vendor)
	if err == nil && asked && len(hooks) == 0 {
		a.say("no webhook source in %s has vendor %s: addresses are placeholders", a.config, vendor)
	}
	return hooks, err
}

// shownSource is a webhook source in the configuration as it may be shown: secrets
// hidden, ${…} as they are.
type shownSource struct {
	Type   string         `yaml:"type"`
	Vendor string         `yaml:"vendor"`
	Listen string         `yaml:"listen"`
	Path   string         `yaml:"path"`
	TLS    map[string]any `yaml:"tls"`
	Auth   map[string]any `yaml:"auth"`
}

func webhooksOf(cfg *config.Config, vendor string) ([]kit.Webhook, error) {
	text, err := cfg.YAML()
	if err != nil {
		return nil, err
	}
	var shown struct {
		Sources map[string]yaml.Node `yaml:"sources"`
	}
	if err := yaml.Unmarshal(text, &shown); err != nil {
		return nil, err
	}
	var hooks []kit.Webhook
	for i := range cfg.Sources {
		c := &cfg.Sources[i]
		if c.Type != "webhook" || c.Vendor != vendor {
			continue
		}
		var s shownSource
		node := shown.Sources[c.Name]
		if err := node.Decode(&s); err != nil {
			return nil, fmt.Errorf("source %s: %w", c.Name, err)
		}
		hooks = append(hooks, s.webhook(c.Name))
	}
	return hooks, nil
}

func (s *shownSource) webhook(name string) kit.Webhook {
	base := publicAddress(s.Listen, len(s.TLS) > 0)
	h := kit.Webhook{Name: name, URL: base + s.Path, Auth: map[string]string{}}
	for key, value := range s.Auth {
		switch value := value.(type) {
		case map[string]any:
			for header, secret := range value {
				h.Headers = append(h.Headers, [2]string{header, fmt.Sprint(secret)})
			}
		case []any:
		default:
			h.Auth[key] = fmt.Sprint(value)
		}
	}
	sort.Slice(h.Headers, func(i, j int) bool { return h.Headers[i][0] < h.Headers[j][0] })
	if strings.HasPrefix(h.Auth["type"], "oauth_") {
		path := h.Auth["token_path"]
		switch {
		case path == "":
			path = "/oauth/token"
		case !strings.HasPrefix(path, "/"):
			path = " and the token_path of the configuration"
		}
		h.TokenURL = base + path
	}
	return h
}

// publicAddress is how a sender reaches a listener. One on the loopback interface is
// behind a proxy that ends TLS, whose name nobody here knows.
func publicAddress(listen string, tls bool) string {
	const unknown = "https://YOUR-HOST"
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return unknown
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case !tls && (host == "localhost" || err == nil && addr.Unmap().IsLoopback()):
		return unknown
	case host == "" || err == nil && (addr.IsUnspecified() || addr.Unmap().IsLoopback()):
		host = "YOUR-HOST"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "443" {
		host += ":" + port
	}
	return "https://" + host
}
