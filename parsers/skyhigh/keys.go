package skyhigh

import (
	"strings"

	"github.com/siemfwd/siemfwd/parsers/kit"
)

// key is a field this package knows by its canonical name. 0 is any other.
type key uint8

const (
	otherKey key = iota

	// What facts are made of.
	activityNames
	actorID
	actorIDType
	anomalyCategory
	anomalyCause
	anomalyCount
	contentItemHierarchy
	contentItemID
	contentItemName
	contentItemSize
	contentItemType
	countries
	description
	destinationHost
	device
	incidentGroup
	incidentID
	incidentRiskScore
	incidentRiskSeverity
	instanceID
	instanceName
	lastExecutedResponseLabel
	mitreTactic
	mitreTechnique
	policyID
	policyName
	remediationResponse
	responses
	serviceNames
	sev
	sourceIPs
	src
	status
	threatCategory
	thresholdDuration
	timeCreated
	timeModified
	totalMatchCount
	userInfoEmail

	// The others that the vendor documents; they tell where a broken value ends.
	accountID
	activityCount
	anomalyIDs
	anomalyValue
	category
	cities
	classificationNames
	configType
	contentItemCreatedOn
	contentItemParent
	deviceType
	eventID
	externalCollaborators
	fileTypes
	incidentGroupID
	incidentRiskSeverityID
	internalCollaborators
	isPartOfThreat
	isTokenized
	malwareConfidence
	matchCount
	matchLocations
	region
	resolutionAction
	scanName
	scanRunDate
	servicesAndAccountIDs
	significantlyUpdatedAt
	source
	sourceIPOrgs
	thresholdValue
	uniqueActivityNames
	urls
	userAction
	userAgent
	userAttributes

	numKeys
)

// keyNames holds the canonical names.
var keyNames = [numKeys]string{
	activityNames: "activityNames", actorID: "actorId", actorIDType: "actorIdType", anomalyCategory: "anomalyCategory",
	anomalyCause: "anomalyCause", anomalyCount: "anomalyCount", contentItemHierarchy: "contentItemHierarchy",
	contentItemID: "contentItemId", contentItemName: "contentItemName", contentItemSize: "contentItemSize",
	contentItemType: "contentItemType", countries: "countries", description: "description", destinationHost: "destinationHost",
	device: "device", incidentGroup: "incidentGroup", incidentID: "incidentId", incidentRiskScore: "incidentRiskScore",
	incidentRiskSeverity: "incidentRiskSeverity", instanceID: "instanceId", instanceName: "instanceName",
	lastExecutedResponseLabel: "lastExecutedResponseLabel", mitreTactic: "mitreTactic", mitreTechnique: "mitreTechnique",
	policyID: "policyId", policyName: "policyName", remediationResponse: "remediationResponse", responses: "responses",
	serviceNames: "serviceNames", sev: "sev", sourceIPs: "sourceIps", src: "src", status: "status", threatCategory: "threatCategory",
	thresholdDuration: "thresholdDuration", timeCreated: "timeCreated", timeModified: "timeModified",
	totalMatchCount: "totalMatchCount", userInfoEmail: "userInfoEmail",

	accountID: "accountId", activityCount: "activityCount", anomalyIDs: "anomalyIds", anomalyValue: "anomalyValue",
	category: "category", cities: "cities", classificationNames: "classificationNames", configType: "configType",
	contentItemCreatedOn: "contentItemCreatedOn", contentItemParent: "contentItemParent", deviceType: "deviceType",
	eventID: "eventId", externalCollaborators: "externalCollaborators", fileTypes: "fileTypes",
	incidentGroupID: "incidentGroupId", incidentRiskSeverityID: "incidentRiskSeverityId",
	internalCollaborators: "internalCollaborators", isPartOfThreat: "isPartOfThreat", isTokenized: "isTokenized",
	malwareConfidence: "malwareConfidence", matchCount: "matchCount", matchLocations: "matchLocations", region: "region",
	resolutionAction: "resolutionAction", scanName: "scanName", scanRunDate: "scanRunDate",
	servicesAndAccountIDs: "servicesAndAccountIds", significantlyUpdatedAt: "significantlyUpdatedAt", source: "source",
	sourceIPOrgs: "sourceIpOrgs", thresholdValue: "thresholdValue", uniqueActivityNames: "uniqueActivityNames", urls: "urls",
	userAction: "userAction", userAgent: "userAgent", userAttributes: "userAttributes",
}

// aliases are the names of older connectors.
var aliases = map[string]key{
	"activityName": activityNames, "response": responses, "updatedOn": timeModified,
	"created_on_date": timeCreated, "timestamp": timeCreated,
	"riskSeverity": incidentRiskSeverity, "riskLevel": incidentRiskSeverity, "riskScore": incidentRiskScore,
	"userDisplayName": actorID, "usrName": actorID,
	"FileSize": contentItemSize, "ByteCount": contentItemSize, "size": contentItemSize,
	"policy_name": policyName, "name": contentItemName, "hierarchy": contentItemHierarchy,
}

// spellings finds a key by any of its names: canonical, with the prefix "information",
// and alias.
var spellings = func() kit.Words[key] {
	names := map[string]key{}
	for k := otherKey + 1; k < numKeys; k++ {
		name := keyNames[k]
		names[name] = k
		names["information"+string(name[0]-'a'+'A')+name[1:]] = k
	}
	for name, k := range aliases {
		names[name] = k
	}
	return kit.NewWords(names)
}()

// known finds the key of a name in any spelling, 0 for none.
func known(name []byte) int {
	k, _ := spellings.Find(name)
	return int(k)
}

// isList reports whether a key may stand before a list without "=".
func isList(id int, _ []byte) bool {
	switch key(id) {
	case activityNames, anomalyIDs, cities, classificationNames, countries, externalCollaborators, fileTypes,
		internalCollaborators, mitreTactic, mitreTechnique, responses, serviceNames, sourceIPOrgs, sourceIPs,
		uniqueActivityNames, urls:
		return true
	}
	return false
}

// identifiers are the keys whose values never have white space: what stands there came
// in where a long line was wrapped.
var identifiers = [numKeys]bool{
	incidentGroup: true, incidentID: true, actorIDType: true, incidentRiskSeverity: true, thresholdDuration: true,
}

// order is the order in which connectors write their pairs.
var order = func() [][2]kit.NextKey {
	t := make([][2]kit.NextKey, numKeys)
	for _, line := range [...]string{
		// An anomaly.
		"activityNames actorId actorIdType incidentGroup incidentId incidentRiskScore incidentRiskSeverity anomalyCategory " +
			"anomalyCause anomalyValue informationCities countries isPartOfThreat informationServicesAndAccountIds " +
			"informationSourceIpOrgs sourceIps threatCategory thresholdDuration thresholdValue responses serviceNames " +
			"status timeCreated timeModified",
		// A violation of a policy.
		"incidentRiskSeverity informationAccountId category informationConfigType informationContentItemId " +
			"informationContentItemName informationContentItemType informationPolicyId informationPolicyName instanceId " +
			"instanceName responses",
	} {
		prev := otherKey
		for name := range strings.FieldsSeq(line) {
			id := known([]byte(name))
			for i := range t[prev] {
				if t[prev][i].Text == "" {
					t[prev][i] = kit.NextKey{Text: name + "=", ID: id}
					break
				}
			}
			prev = key(id)
		}
	}
	return t
}()
