package beyondtrust

import (
	"strings"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

// events are what the product calls the kinds of events when a webhook is made.
var events = [len(ours)]string{
	"JIT Application Access Ticket Created",
	"JIT Application Access Decision Updated (in places: Ticket Updated)",
	"JIT Admin Ticket Created",
	"JIT Admin Decision Updated",
}

// guide tells what to enter in the product, for each webhook of the configuration, and
// has the templates to paste.
func guide(hooks []kit.Webhook) string {
	var g writer
	g.line("# BeyondTrust EPM: what to enter")
	g.line("")
	g.line("A webhook of EPM sends one kind of event, so make four. In the EPM console:")
	g.line("Configuration > Webhook Settings > Create Webhook. These fields are the same in all:")
	if len(hooks) == 0 {
		hooks = []kit.Webhook{{URL: "https://YOUR-HOST/hooks/epm"}}
	}
	for i := range hooks {
		g.hook(&hooks[i])
	}
	g.line("")
	g.line("The event and the template differ. Paste a template as it is, from { to }. Lines may be")
	g.line("left out. Lines of your own belong behind the first one, and never behind what users")
	g.line("write (FilePathObjectId and all that follow; Reason): there they are taken for part of it.")
	for i := range ours {
		g.line("")
		g.line("## " + string('1'+rune(i)) + ". Event: " + events[i])
		g.line("")
		g.line("```")
		g.line(strings.TrimSpace(ours[i].text))
		g.line("```")
	}
	g.line("")
	g.line("Where the console offers no admin events, make the first two only: the tables of its")
	g.line("documentation have them, its list of events did not.")
	g.line("")
	g.line("Then choose Send Sample Event from each webhook's menu: it is answered with 200, counted as")
	g.line("filtered and not forwarded. Enable Webhook afterwards; what happened meanwhile is queued")
	g.line("by EPM and sent then, unless Clear Event Queue is chosen.")
	return g.String()
}

type writer struct{ strings.Builder }

func (g *writer) line(text string) {
	g.WriteString(text)
	g.WriteByte('\n')
}

// field writes one field of the form.
func (g *writer) field(name, value string) {
	const width = 22
	g.line("  " + name + strings.Repeat(" ", max(1, width-len(name))) + value)
}

func (g *writer) hook(h *kit.Webhook) {
	g.line("")
	if h.Name != "" {
		g.line("For source " + h.Name + ":")
		g.line("")
	}
	g.field("URL", h.URL)
	g.field("Content Type", "application/json")
	if h.Auth == nil {
		g.field("Authentication Type", "as the source says; -c FILE fills this in")
		return
	}
	g.auth(h)
	for _, header := range h.Headers {
		g.field("Additional header", header[0]+": "+shown(header[1]))
	}
}

// auth writes the fields of the authentication. Those of OAuth have no documented names.
func (g *writer) auth(h *kit.Webhook) {
	const kind = "Authentication Type"
	switch typ := h.Auth["type"]; typ {
	case "none":
		g.field(kind, "None")
	case "bearer":
		g.field(kind, "Custom")
		g.field("Token", "the word Bearer, a space, and "+shown(h.Auth["token"]))
	case "basic":
		g.field(kind, "Basic")
		g.field("Username", shown(h.Auth["username"]))
		g.field("Password", shown(h.Auth["password"]))
	case "header":
		if strings.EqualFold(h.Auth["name"], "Authorization") {
			g.field(kind, "Custom")
			g.field("Token", shown(h.Auth["value"]))
			return
		}
		g.field(kind, "None")
		g.field("Additional header", h.Auth["name"]+": "+shown(h.Auth["value"]))
	case "oauth_client_credentials", "oauth_password":
		if typ == "oauth_password" {
			g.field(kind, "OAuth - Password")
			g.field("Username", shown(h.Auth["username"]))
			g.field("Password", shown(h.Auth["password"]))
		} else {
			g.field(kind, "OAuth - Client Credentials")
		}
		g.field("Token URL", h.TokenURL)
		g.field("Client ID", shown(h.Auth["client_id"]))
		g.field("Client secret", shown(h.Auth["client_secret"]))
	case "jwt", "introspection":
		g.field(kind, "OAuth - Client Credentials, or Password")
		g.field("Token URL", "that of your identity provider"+about(" ", h.Auth["issuer"]))
		g.field("Client", "one that gets tokens"+about(" for the audience ", h.Auth["audience"]))
	case "hmac":
		g.field(kind, "EPM cannot sign what it sends: choose another type in the configuration")
	default:
		g.field(kind, typ)
	}
}

func about(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// shown is a value of the configuration, or where it is found.
func shown(value string) string {
	switch {
	case value == "":
		return "(empty)"
	case value == "<secret>":
		return "(the secret in the configuration)"
	case strings.HasPrefix(value, "${"):
		return "(what " + value + " stands for)"
	}
	return value
}
