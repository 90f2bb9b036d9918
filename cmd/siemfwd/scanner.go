package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/siemfwd/siemfwd/parsers/scanner/sinksapi"
)

// sinksCommands is what the commands about event sinks share.
type sinksCommands struct {
	*app
	base, tenant, key string
	timeout           time.Duration
	showURL           bool
}

// sinkFlags are the flags that describe a sink.
type sinkFlags struct {
	name, description, typ string
	url, key               string // or where they stand
	channelID, channel     string
	integrationID          string
}

func scannerCommand(a *app) *cobra.Command {
	s := &sinksCommands{app: a}
	sinks := &cobra.Command{
		Use:   "sinks",
		Short: "Where a Scanner.dev account sends its alerts to: list, make, change and delete event sinks",
		Long: `Where a Scanner.dev account sends its alerts to: list, make, change and delete event
sinks, through its API.

Secrets are not given but pointed to: env:NAME, file:/path or cred:NAME (a credential of
systemd). The path of a webhook's URL may be one; it is shown only with --show-url.`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := sinks.PersistentFlags()
	flags.StringVar(&s.base, "base-url", os.Getenv("SCANNER_BASE_URL"), "`URL` of the API, as the console shows it beside the API keys; $SCANNER_BASE_URL")
	flags.StringVar(&s.tenant, "tenant", os.Getenv("SCANNER_TENANT_ID"), "`UUID` of the tenant, which is called team now; $SCANNER_TENANT_ID")
	flags.StringVar(&s.key, "key", "env:SCANNER_API_KEY", "where the API key is: `env:NAME|file:PATH|cred:NAME`")
	flags.DurationVar(&s.timeout, "timeout", 30*time.Second, "of one request")
	flags.BoolVar(&s.showURL, "show-url", false, "show all of the URLs of webhooks")
	sinks.AddCommand(s.listCommand(), s.getCommand(), s.createCommand(), s.updateCommand(), s.deleteCommand(), s.ensureCommand())
	for _, c := range sinks.Commands() {
		args := c.Args
		c.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usage("%v; %s -h tells more", err, cmd.CommandPath())
			}
			return nil
		}
	}
	root := &cobra.Command{
		Use:   "scanner",
		Short: "Set up Scanner.dev",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(sinks)
	return root
}

// noCommand is for commands that only hold others.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%q is not a command; %s -h lists them", args[0], cmd.CommandPath())
	}
	return nil
}

func (s *sinksCommands) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the event sinks of a tenant", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.tenant == "" {
				return usage("--tenant is missing")
			}
			return s.with(func(c *sinksapi.Client) error {
				all, err := c.List(cmd.Context(), s.tenant)
				if err != nil {
					return err
				}
				return s.show(all...)
			})
		},
	}
}

func (s *sinksCommands) getCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show one event sink", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.with(func(c *sinksapi.Client) error { return s.showOne(c.Get(cmd.Context(), args[0])) })
		},
	}
}

func (s *sinksCommands) createCommand() *cobra.Command {
	var f sinkFlags
	cmd := &cobra.Command{
		Use: "create --type TYPE --name NAME …", Short: "Make an event sink", Args: cobra.NoArgs,
		Long: `Make an event sink. Two calls make two: ensure is the one to repeat.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.tenant == "":
				return usage("--tenant is missing")
			case f.name == "":
				return usage("--name is missing")
			}
			args, err := f.args()
			if err != nil {
				return err
			}
			if args == nil {
				return usage("--type is missing: slack, webhook or pagerduty")
			}
			return s.with(func(c *sinksapi.Client) error {
				return s.showOne(c.Create(cmd.Context(), sinksapi.New{TenantID: s.tenant, Name: f.name, Description: f.description, Args: *args}))
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (s *sinksCommands) updateCommand() *cobra.Command {
	var f sinkFlags
	cmd := &cobra.Command{
		Use: "update ID …", Short: "Change an event sink; what is not said stays", Args: cobra.ExactArgs(1),
		Long: `Change an event sink; what is not said stays. With a new --url, headers that were set
by hand may be lost: look at them in the console afterwards.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var ch sinksapi.Change
			var err error
			if ch.Args, err = f.args(); err != nil {
				return err
			}
			if cmd.Flags().Changed("name") {
				ch.Name = &f.name
			}
			if cmd.Flags().Changed("description") {
				ch.Description = &f.description
			}
			if ch == (sinksapi.Change{}) {
				return usage("nothing to change: say --name, --description or --type with what goes with it")
			}
			return s.with(func(c *sinksapi.Client) error { return s.showOne(c.Update(cmd.Context(), args[0], ch)) })
		},
	}
	f.add(cmd)
	return cmd
}

func (s *sinksCommands) deleteCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ID --yes", Short: "Delete an event sink", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return usage("rules that use the sink will send nothing there: say --yes")
			}
			return s.with(func(c *sinksapi.Client) error {
				if err := c.Remove(cmd.Context(), args[0]); err != nil {
					return err
				}
				s.say("%s is gone", args[0])
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "really")
	return cmd
}

func (s *sinksCommands) ensureCommand() *cobra.Command {
	var w sinksapi.Wanted
	var source string
	var yes bool
	cmd := &cobra.Command{
		Use: "ensure --url URL", Short: "Make sure that a webhook sink exists and points to a URL", Args: cobra.NoArgs,
		Long: `Make sure that a webhook sink exists and points to a URL. When that is so, nothing is
written; so it may be run again and again. The sink is known by the end of its
description, managed-by=siemfwd;id=INSTANCE, or by its URL. It is the same sink that a
register: block of the webhook source --source keeps, on this host.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.TenantID = s.tenant
			switch {
			case w.TenantID == "":
				return usage("--tenant is missing")
			case w.Name == "":
				return usage("--name is missing")
			case w.URL == "":
				return usage("--url is missing")
			case w.Recreate && !yes:
				return usage("--recreate deletes a sink of the name that is no webhook: say --yes, too")
			}
			var err error
			if w.URL, err = urlOf(w.URL); err != nil {
				return err
			}
			if w.Instance == "" {
				host, err := os.Hostname()
				if err != nil {
					return err
				}
				w.Instance = host + "/" + source
			}
			w.Instance = sinksapi.InstanceOf(w.Instance)
			return s.with(func(c *sinksapi.Client) error { return s.ensure(cmd.Context(), c, w) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&w.Name, "name", sinksapi.DefaultName, "name of the sink")
	f.StringVar(&w.URL, "url", "", "what alerts are posted to, or where that stands: `URL|env:NAME|file:PATH|cred:NAME`")
	f.StringVar(&w.Description, "description", sinksapi.DefaultDescription, "description of the sink")
	f.StringVar(&source, "source", "scanner", "`NAME` of the webhook source that takes the alerts")
	f.StringVar(&w.Instance, "instance", "", "tells this owner's sink from those of others; default: HOST/SOURCE, as the service has it")
	f.BoolVar(&w.Adopt, "adopt", false, "take over a sink of the name that points elsewhere")
	f.BoolVar(&w.Recreate, "recreate", false, "replace a sink of the name that is no webhook")
	f.BoolVar(&yes, "yes", false, "really")
	return cmd
}

func (s *sinksCommands) ensure(ctx context.Context, c *sinksapi.Client, w sinksapi.Wanted) error {
	out, err := c.Ensure(ctx, w, sinksapi.State{})
	if err != nil {
		return err
	}
	for _, d := range out.Duplicates {
		s.say("another sink may be meant for the same: %s %q", d.ID, printable([]byte(d.Name)))
	}
	if out.Headers {
		s.say("the URL was changed: headers that were set by hand may be gone, look at them in the console")
	}
	if out.Did == "" {
		s.say("nothing to do")
	} else {
		s.say("%s", out.Did)
	}
	return s.show(out.Sink)
}

// with makes the client and calls do.
func (s *sinksCommands) with(do func(c *sinksapi.Client) error) error {
	if s.base == "" {
		return usage("--base-url is missing: the console shows it under Settings, API Keys")
	}
	key, err := secretAt(s.key)
	if err != nil {
		return fmt.Errorf("--key %w", err)
	}
	c, err := sinksapi.Open(sinksapi.Config{BaseURL: s.base, Key: key, Timeout: s.timeout})
	if err != nil {
		return usage("%v", err)
	}
	defer c.Close()
	return do(c)
}

func (f *sinkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "name of the sink")
	flags.StringVar(&f.description, "description", "", "description of the sink")
	flags.StringVar(&f.typ, "type", "", "`slack|webhook|pagerduty`")
	flags.StringVar(&f.url, "url", "", "of a webhook, or where it stands: `URL|env:NAME|file:PATH|cred:NAME`")
	flags.StringVar(&f.channelID, "channel-id", "", "of slack: the channel's `ID`, such as C12345678")
	flags.StringVar(&f.channel, "channel", "", "of slack: the channel's name; deprecated by the API")
	flags.StringVar(&f.integrationID, "slack-integration-id", "", "of slack: `UUID` of the integration, when the sink is made")
	flags.StringVar(&f.key, "integration-key", "", "of pagerduty: where the Events API v2 key is: `env:NAME|file:PATH|cred:NAME`")
}

// args are what the flags say of where the sink sends to; nil when they say nothing.
func (f *sinkFlags) args() (*sinksapi.Args, error) {
	given := map[string]bool{
		"slack":   f.channelID != "" || f.channel != "" || f.integrationID != "",
		"webhook": f.url != "", "pagerduty": f.key != "",
	}
	for typ, has := range given {
		if has && f.typ != typ {
			return nil, usage("there is a flag of type %s: say --type %s, or leave it out", typ, typ)
		}
	}
	switch {
	case f.typ == "":
		return nil, nil
	case f.typ == "slack" && (f.channelID != "" || f.channel != ""):
		return &sinksapi.Args{Slack: &sinksapi.SlackArgs{ChannelID: f.channelID, Channel: f.channel, IntegrationID: f.integrationID}}, nil
	case f.typ == "slack":
		return nil, usage("--channel-id is missing")
	case f.typ == "webhook" && f.url == "":
		return nil, usage("--url is missing")
	case f.typ == "webhook":
		url, err := urlOf(f.url)
		return &sinksapi.Args{Webhook: &sinksapi.WebhookArgs{URL: url}}, err
	case f.typ == "pagerduty" && f.key == "":
		return nil, usage("--integration-key is missing")
	case f.typ == "pagerduty":
		key, err := secretAt(f.key)
		if err != nil {
			return nil, fmt.Errorf("--integration-key %w", err)
		}
		return &sinksapi.Args{PagerDuty: &sinksapi.PagerDutyArgs{IntegrationKey: sinksapi.Key(key)}}, nil
	}
	return nil, usage("--type %s: the types are slack, webhook and pagerduty", f.typ)
}

// urlOf is a URL, or the one that stands where text points to.
func urlOf(text string) (string, error) {
	if strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") {
		return text, nil
	}
	url, err := secretAt(text)
	if err != nil {
		return "", fmt.Errorf("--url %w", err)
	}
	return url, nil
}

// secretAt reads a secret from where text points to. text is not repeated: it may be
// the secret itself, by mistake.
func secretAt(text string) (string, error) {
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "env":
		if v := os.Getenv(name); v != "" {
			return v, nil
		}
		return "", errors.New("points to a variable that is not set in the environment")
	case "cred":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" || name != filepath.Base(name) {
			return "", errors.New("points to a credential, which only a service of systemd has")
		}
		name = filepath.Join(dir, name)
	case "file":
	default:
		return "", usage("does not point to a secret: write env:NAME, file:PATH or cred:NAME")
	}
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, 1<<16))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func (s *sinksCommands) showOne(sink sinksapi.Sink, err error) error {
	if err != nil {
		return err
	}
	return s.show(sink)
}

// show prints sinks, one a line.
func (s *sinksCommands) show(sinks ...sinksapi.Sink) error {
	if s.output == "json" {
		for i := range sinks {
			if w := sinks[i].Configuration.Webhook; w != nil {
				w.URL = s.url(w.URL)
			}
			if err := s.json(sinks[i]); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for i := range sinks {
		sink := &sinks[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", word(sink.ID), word(string(sink.Type)), word(sink.Name), word(s.target(sink)), word(sink.Description))
	}
	return w.Flush()
}

// word is text as it stands in a column.
func word(text string) string {
	if text == "" {
		return "-"
	}
	return printable([]byte(text))
}

// target says where a sink sends to.
func (s *sinksCommands) target(sink *sinksapi.Sink) string {
	switch c := &sink.Configuration; c.Type() {
	case sinksapi.Slack:
		if c.Slack.ChannelID != "" {
			return c.Slack.ChannelID
		}
		return c.Slack.Channel
	case sinksapi.Webhook:
		return s.url(c.Webhook.URL)
	case sinksapi.PagerDuty:
		return fmt.Sprint(c.PagerDuty.IntegrationKey)
	}
	return ""
}

// url is a webhook's URL, without what may be a secret in it.
func (s *sinksCommands) url(full string) string {
	if s.showURL {
		return full
	}
	scheme, rest, ok := strings.Cut(full, "://")
	if !ok {
		return "…"
	}
	host, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	host, _, _ = strings.Cut(host, "?")
	if path != "" {
		host += "/…"
	}
	return scheme + "://" + host
}
