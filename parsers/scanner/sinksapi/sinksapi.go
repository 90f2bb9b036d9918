// Package sinksapi speaks Scanner.dev's Event Sinks API: where a Scanner account sends
// the alerts of its detection rules to. Ensure makes sure that a webhook sink exists and
// points to a URL, as often as one likes.
//
// A webhook's URL may hold a secret, and a PagerDuty key is one: neither stands in an
// error.
package sinksapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Type is what a sink sends to, as the API writes it.
type Type string

// The types.
const (
	Slack     Type = "Slack"
	Webhook   Type = "Webhook"
	PagerDuty Type = "PagerDuty"
)

// Sink is an event sink.
type Sink struct {
	ID          string `json:"id"`
	TenantID    string `json:"tenant_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Type        Type   `json:"event_sink_type"`
	// Configuration has the member that Type names; none of a type that is not known
	// here.
	Configuration Args `json:"configuration"`
	CreatedAt     Time `json:"created_at"`
	UpdatedAt     Time `json:"updated_at"`
}

// Time is a time that the API gave; zero when it cannot be read.
type Time struct{ time.Time }

// UnmarshalJSON reads RFC 3339.
func (t *Time) UnmarshalJSON(b []byte) error {
	if t.Time.UnmarshalJSON(b) != nil {
		t.Time = time.Time{}
	}
	return nil
}

// Args are where a sink sends to: exactly one is set.
type Args struct {
	Slack     *SlackArgs     `json:"Slack,omitempty"`
	Webhook   *WebhookArgs   `json:"Webhook,omitempty"`
	PagerDuty *PagerDutyArgs `json:"PagerDuty,omitempty"`
}

// SlackArgs are a channel of Slack. Channel, its name, is deprecated: it is sent only
// without a ChannelID. IntegrationID is wanted when the sink is made and cannot be
// changed.
type SlackArgs struct {
	ChannelID     string `json:"channel_id,omitempty"`
	Channel       string `json:"channel,omitempty"`
	IntegrationID string `json:"slack_integration_id,omitempty"`
}

// WebhookArgs are what alerts are posted to.
type WebhookArgs struct {
	URL string `json:"url"`
}

// PagerDutyArgs are a service of PagerDuty.
type PagerDutyArgs struct {
	IntegrationKey Key `json:"integration_key"`
}

// Key is an integration key. Whatever prints it shows its last four characters.
type Key string

func (k Key) masked() string {
	const shown, least = 4, 12
	if len(k) < least {
		return "****"
	}
	return "****" + string(k[len(k)-shown:])
}

// Format prints the masked key, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.masked())) }

// MarshalJSON returns the masked key.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.masked()) }

// Type is the type of the one member that is set; "" when it is not one.
func (a *Args) Type() Type {
	switch {
	case a.Slack != nil && a.Webhook == nil && a.PagerDuty == nil:
		return Slack
	case a.Slack == nil && a.Webhook != nil && a.PagerDuty == nil:
		return Webhook
	case a.Slack == nil && a.Webhook == nil && a.PagerDuty != nil:
		return PagerDuty
	}
	return ""
}

// New is a sink to be made. All members are needed; Description may be empty.
type New struct {
	TenantID, Name, Description string
	Args                        Args
}

// Change is what shall be different about a sink; nil members stay as they are. Args
// replace all of the sink's configuration, headers that were set by hand perhaps
// included.
type Change struct {
	Name, Description *string
	Args              *Args
}

// wire is what is sent of Args: here a key is not masked.
type wire map[Type]map[string]string

var errArgs = errors.New("sink has not one of Slack, Webhook and PagerDuty")

func (a *Args) wire(create bool) (wire, error) {
	t, in := a.Type(), map[string]string{}
	switch t {
	case Slack:
		switch {
		case a.Slack.ChannelID != "":
			in["channel_id"] = a.Slack.ChannelID
		case a.Slack.Channel != "":
			in["channel"] = a.Slack.Channel
		default:
			return nil, errors.New("sink has no Slack channel")
		}
		if create {
			if a.Slack.IntegrationID == "" {
				return nil, errors.New("sink has no Slack integration")
			}
			in["slack_integration_id"] = a.Slack.IntegrationID
		} else if a.Slack.IntegrationID != "" {
			return nil, errors.New("sink cannot change its Slack integration: delete it and make a new one")
		}
	case Webhook:
		if a.Webhook.URL == "" {
			return nil, errors.New("sink has no url")
		}
		in["url"] = a.Webhook.URL
	case PagerDuty:
		if a.PagerDuty.IntegrationKey == "" {
			return nil, errors.New("sink has no integration key")
		}
		in["integration_key"] = string(a.PagerDuty.IntegrationKey)
	default:
		return nil, errArgs
	}
	return wire{t: in}, nil
}

// secrets are what must not stand in an error about a request with these args.
func (a *Args) secrets() []string {
	if a == nil {
		return nil
	}
	switch a.Type() {
	case Webhook:
		return []string{a.Webhook.URL}
	case PagerDuty:
		return []string{string(a.PagerDuty.IntegrationKey)}
	}
	return nil
}
