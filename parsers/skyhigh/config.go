package skyhigh

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/siemfwd/siemfwd/forwarder/component"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// Config is what a source that polls the Incidents API is told besides the keys of the
// poller.
type Config struct {
	Region      string           `yaml:"region" enum:"us|eu|ca|gov" doc:"where the tenant is: us · eu · ca · gov"`
	BaseURL     string           `yaml:"base_url" doc:"address of the API, in place of region"`
	AuthMode    string           `yaml:"auth_mode" enum:"basic|iam|token" doc:"basic: user and password with every request · iam: two tokens, for tenants with single sign-on · token: one token for user and password"`
	Username    string           `yaml:"username" required:"true" doc:"user of the tenant with the right to read incidents"`
	Password    component.Secret `yaml:"password" required:"true" doc:"its password"`
	TenantID    string           `yaml:"tenant_id" doc:"which tenant, for a user who has several (bps-tenant-id)"`
	TokenHeader string           `yaml:"token_header" doc:"header that carries the token of iam and token; Authorization gets the word Bearer before it"`
	Limit       int              `yaml:"limit" doc:"incidents a page; the API silently takes fewer when it is too many"`
	Criteria    Criteria         `yaml:"criteria" doc:"which incidents to ask for, in the API's own words; default: all"`
}

// Criteria is the API's request object, field by field under its own name. What is not
// set is not sent.
type Criteria struct {
	StartTime             string   `yaml:"startTime" json:"startTime,omitempty" doc:"nothing modified before this time is read (RFC 3339)"`
	EndTime               string   `yaml:"endTime" json:"endTime,omitempty" doc:"nothing modified from this time on is read (RFC 3339)"`
	ActorIDType           string   `yaml:"actorIdType" json:"actorIdType,omitempty" enum:"USER|IP_ADDRESS" doc:"kind of actor"`
	ActorIDs              []string `yaml:"actorIds" json:"actorIds,omitempty" doc:"user names or IP addresses; tokens where the tenant tokenises"`
	Category              []string `yaml:"category" json:"category,omitempty" doc:"threat categories"`
	DeviceTypes           []string `yaml:"deviceTypes" json:"deviceTypes,omitempty" enum:"AndroidMobile|BlackberryMobile|iPadMobile|iPhoneMobile|iPodMobile|JavaApplication|LinuxDesktop|MacDesktop|PlaystationGaming|SymbianMobile|WiiGaming|WindowsDesktop|WindowsPhoneMobile|Unknown" doc:"types of devices"`
	PermissionType        string   `yaml:"permissionType" json:"permissionType,omitempty" enum:"ALLOWED|DENIED" doc:"whether the event was allowed"`
	ProtocolTypes         []string `yaml:"protocolTypes" json:"protocolTypes,omitempty" doc:"protocols, such as dns, http, https, ntp, Unknown"`
	ServiceCategories     []string `yaml:"serviceCategories" json:"serviceCategories,omitempty" doc:"categories of services, such as Cloud Storage"`
	ServiceNames          []string `yaml:"serviceNames" json:"serviceNames,omitempty" doc:"names of services"`
	ServiceRiskMinimum    *int     `yaml:"serviceRiskMinimum" json:"serviceRiskMinimum,omitempty" doc:"0 to 10"`
	ServiceRiskMaximum    *int     `yaml:"serviceRiskMaximum" json:"serviceRiskMaximum,omitempty" doc:"0 to 10"`
	UserRiskMinimum       *int     `yaml:"userRiskMinimum" json:"userRiskMinimum,omitempty" doc:"0 to 10"`
	UserRiskMaximum       *int     `yaml:"userRiskMaximum" json:"userRiskMaximum,omitempty" doc:"0 to 10"`
	UploadDataMinimum     *int64   `yaml:"uploadDataMinimum" json:"uploadDataMinimum,omitempty" doc:"least size of uploaded data, in octets"`
	SavedFilter           string   `yaml:"savedFilter" json:"savedFilter,omitempty" doc:"name of a filter saved in the console"`
	CreatedSinceStartTime *bool    `yaml:"createdSinceStartTime" json:"createdSinceStartTime,omitempty" doc:"deprecated by the vendor: times are those of creation; changes of incidents are then not seen"`
	TimesSelection        string   `yaml:"timesSelection" json:"timesSelection,omitempty" enum:"CREATED_AT|LAST_MODIFIED_AT" doc:"which time startTime and endTime are; leave it out"`

	IncidentCriteria *IncidentCriteria `yaml:"incidentCriteria" json:"incidentCriteria,omitempty" doc:"which kinds of incidents"`
}

// IncidentCriteria filters by the incident itself.
type IncidentCriteria struct {
	Categories       []Category          `yaml:"categories" json:"categories,omitempty" doc:"types of incidents and their categories; excludes incidentGroupIds"`
	IncidentGroupIDs []int               `yaml:"incidentGroupIds" json:"incidentGroupIds,omitempty" doc:"numbers of incident groups; excludes categories"`
	Product          string              `yaml:"product" json:"product,omitempty" enum:"SANCTIONED|SHADOW" doc:"sanctioned or shadow IT"`
	Fields           map[string][]string `yaml:"fields" json:"fields,omitempty" doc:"values of policyName, policyId, contentItemName, contentItemId or status; all fields must match, one value of each suffices"`
	UserRiskScore    json.RawMessage     `yaml:"historicaluserriskscore" json:"historicaluserriskscore,omitempty" doc:"risk scores of users: Low (1-3), Medium (4-6), High (7-9)"`
}

// Category is a type of incident and a category within it.
type Category struct {
	IncidentType string `yaml:"incidentType" json:"incidentType" required:"true" doc:"Alert or Threat, or a dotted group such as Alert.Policy"`
	Category     string `yaml:"category" json:"category,omitempty" doc:"of Alert: Access, Admin, Audit, Data, Policy, Vulnerability; of Threat: CompromisedAccount, InsiderThreat, PrivilegeAccess"`
}

var regions = map[string]string{
	"us": "https://www.myshn.net", "eu": "https://www.myshn.eu", "ca": "https://www.myshn.ca", "gov": "https://www.govshn.net",
}

// categories of each type, as the vendor lists them. Case matters.
var categories = map[string][]string{
	"Alert":  {"Access", "Admin", "Audit", "Data", "Policy", "Vulnerability"},
	"Threat": {"CompromisedAccount", "InsiderThreat", "PrivilegeAccess"},
}

var fieldNames = []string{"policyName", "policyId", "contentItemName", "contentItemId", "status"}

// base is the address that the paths of the API follow.
func (c *Config) base() string {
	if c.BaseURL != "" {
		return strings.TrimSuffix(strings.TrimRight(c.BaseURL, "/"), "/shnapi/rest/external/api")
	}
	return regions[c.Region]
}

// Check implements component.Checker.
func (c *Config) Check(r *component.Report) {
	place := kit.Place{Region: c.Region, BaseURL: c.BaseURL, Regions: "us, eu, ca or gov", Example: regions["us"], Secret: "password"}
	place.Check(r)
	if strings.Contains(c.Username, ":") && c.AuthMode != authToken {
		r.Error("username", "holds a colon, which ends the user name in basic authentication", "use auth_mode: token")
	}
	if c.Limit < 1 || c.Limit > 10000 {
		r.Error("limit", "is not from 1 to 10000", "500 is what the API gives at most today")
	}
	if c.TokenHeader == "" || strings.ContainsAny(c.TokenHeader, " :\r\n") {
		r.Error("token_header", "is not the name of a header", "x-access-token or Authorization")
	}
}

// Check implements component.Checker.
func (c *Criteria) Check(r *component.Report) {
	times := [...]struct{ key, text string }{{"startTime", c.StartTime}, {"endTime", c.EndTime}}
	var nanos [2]int64
	for i, t := range times {
		if t.text == "" {
			continue
		}
		at, ok := kit.ParseTime([]byte(t.text))
		if !ok {
			r.Error(t.key, "is not a time of RFC 3339", "such as 2026-11-20T09:30:00Z")
		}
		nanos[i] = at.Nanos
	}
	if nanos[0] != 0 && nanos[1] != 0 && nanos[1] <= nanos[0] {
		r.Error("endTime", "is not behind startTime", "")
	}
	riskRange(r, "serviceRisk", c.ServiceRiskMinimum, c.ServiceRiskMaximum)
	riskRange(r, "userRisk", c.UserRiskMinimum, c.UserRiskMaximum)
	if c.UploadDataMinimum != nil && *c.UploadDataMinimum < 0 {
		r.Error("uploadDataMinimum", "is negative", "")
	}
	if c.TimesSelection == "CREATED_AT" || c.CreatedSinceStartTime != nil && *c.CreatedSinceStartTime {
		r.Warn("", "incidents are asked for by the time they were created: later changes of their state are not seen", "leave timesSelection and createdSinceStartTime out")
	}
}

// riskRange checks a pair of scores.
func riskRange(r *component.Report, name string, low, high *int) {
	for _, b := range [...]struct {
		suffix string
		n      *int
	}{{"Minimum", low}, {"Maximum", high}} {
		if b.n != nil && (*b.n < 0 || *b.n > 10) {
			r.Error(name+b.suffix, "is not from 0 to 10", "")
		}
	}
	if low != nil && high != nil && *high < *low {
		r.Error(name+"Maximum", "is below "+name+"Minimum", "")
	}
}

// Check implements component.Checker.
func (c *IncidentCriteria) Check(r *component.Report) {
	if len(c.Categories) > 0 && len(c.IncidentGroupIDs) > 0 {
		r.Error("incidentGroupIds", "excludes categories", "give one of the two")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		if !slices.Contains(fieldNames, name) {
			r.Error("fields."+name, "is no field the API filters by", "one of "+strings.Join(fieldNames, ", "))
		} else if len(c.Fields[name]) == 0 {
			r.Error("fields."+name, "has no values", "")
		}
	}
	for i, cat := range c.Categories {
		path := fmt.Sprintf("categories[%d]", i)
		known, ok := categories[cat.IncidentType]
		switch {
		case cat.IncidentType == "Event":
			r.Error(path+".incidentType", "Event is not supported by the API yet", "Alert or Threat")
		case !ok && !strings.Contains(cat.IncidentType, "."):
			r.Error(path+".incidentType", cat.IncidentType+" is no type of incident; case matters", "Alert or Threat")
		case ok && cat.Category != "" && !slices.Contains(known, cat.Category):
			r.Error(path+".category", cat.Category+" is no category of "+cat.IncidentType+"; case matters", "one of "+strings.Join(known, ", "))
		}
	}
}
