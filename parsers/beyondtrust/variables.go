package beyondtrust

import (
	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// variable is one of the names that a template may hold.
type variable uint8

// The variables, those of our own templates' marks last.
const (
	eventType variable = iota
	requestID
	ticketNumber
	tenantID
	timestamp
	reason
	user
	userLanguage
	action
	message
	messageID
	token
	tokenAssignmentIsShell
	workstyle
	applicationGroup
	applicationType
	computerGroup
	groupID
	hostname
	hostType
	osName
	osVersion
	filePath
	fileVersion
	hostedFilePath
	publisher
	productName
	productVersion
	productDescription
	productCode
	upgradeCode
	sha1Hash
	sha256Hash
	downloadSourceURL
	driveType
	zoneIdentifier
	trustedOwnership
	cmdArgs
	parentProcess
	uacTriggered
	storeAppName
	serviceName
	serviceAction
	clsID
	comDisplayName
	authRequestURI
	bundleInfoDescription
	reputationScore
	reputationTime
	reputationType
	decision
	decisionTime
	decisionBy
	duration
	computerID
	userID
	userName
	durationRequested
	startTime
	endTime
	requestVersion
	markFormat
	markEvent
	markEnd

	numVariables
	unknown = numVariables
)

// A set holds 64 variables.
const _ = uint(64 - numVariables)

// names are the variables as the product's documentation spells them.
var names = [numVariables]string{
	eventType: "EventType", requestID: "RequestId", ticketNumber: "TicketNumber", tenantID: "TenantId", timestamp: "Timestamp",
	reason: "Reason", user: "User", userLanguage: "UserLanguage", action: "Action", message: "Message", messageID: "MessageId",
	token: "Token", tokenAssignmentIsShell: "TokenAssignmentIsShell",
	workstyle: "Workstyle", applicationGroup: "ApplicationGroup", applicationType: "ApplicationType", computerGroup: "ComputerGroup", groupID: "GroupId",
	hostname: "Hostname", hostType: "HostType", osName: "OsName", osVersion: "OsVersion",
	filePath: "FilePathObjectId", fileVersion: "FileVersion", hostedFilePath: "HostedFilePath", publisher: "Publisher",
	productName: "ProductName", productVersion: "ProductVersion", productDescription: "ProductDescription", productCode: "ProductCode", upgradeCode: "UpgradeCode",
	sha1Hash: "Sha1Hash", sha256Hash: "Sha256Hash", downloadSourceURL: "DownloadSourceUrl", driveType: "DriveType",
	zoneIdentifier: "BtZoneIdentifierExists", trustedOwnership: "TrustedOwnership",
	cmdArgs: "CmdArgs", parentProcess: "ParentProcess", uacTriggered: "UacTriggered", storeAppName: "StoreAppName",
	serviceName: "ServiceName", serviceAction: "ServiceAction", clsID: "ClsID", comDisplayName: "ComDisplayName",
	authRequestURI: "AuthRequestUri", bundleInfoDescription: "BundleInfoDescription",
	reputationScore: "ReputationScore", reputationTime: "ReputationScoreDateTime", reputationType: "ReputationIntegrationType",
	decision: "Decision", decisionTime: "DecisionTime", decisionBy: "DecisionPerformedByUser", duration: "Duration",
	computerID: "ComputerId", userID: "UserId", userName: "UserName", durationRequested: "DurationRequested",
	startTime: "StartTime", endTime: "EndTime", requestVersion: "RequestVersion",
	markFormat: "siemfwd", markEvent: "siemfwd_event", markEnd: "siemfwd_end",
}

// set is a set of variables.
type set uint64

func (s set) has(v variable) bool { return s>>v&1 != 0 }

func setOf(all ...variable) (s set) {
	for _, v := range all {
		s |= 1 << v
	}
	return s
}

var (
	marks = setOf(markFormat, markEvent, markEnd)
	// variables are those of the product.
	variables = ^marks
	// times hold a date and time.
	times = setOf(timestamp, decisionTime, startTime, endTime, reputationTime)
	// clean never hold a control character, except where a backslash that was not
	// escaped has become part of an escape.
	clean = setOf(filePath, hostedFilePath, parentProcess, cmdArgs, downloadSourceURL, user, userName, decisionBy, hostname, publisher)
	// free hold what the one who asks for access, or the maker of the file, can choose.
	free = setOf(filePath, hostedFilePath, parentProcess, storeAppName, serviceName, comDisplayName, authRequestURI, downloadSourceURL,
		publisher, productName, productDescription, bundleInfoDescription, message, cmdArgs, reason)
)

const longestName = len("ReputationIntegrationType")

// byName finds a variable by its folded name.
var byName = func() kit.Words[variable] {
	m := map[string]variable{}
	for v, name := range names {
		var b [longestName]byte
		m[string(fold(b[:0], []byte(name)))] = variable(v)
	}
	return kit.NewWords(m)
}()

// lookup finds a variable whatever its case, and with or without "_", "-" and spaces:
// the documentation spells some in two ways. It returns unknown for anything else.
func lookup(name []byte) variable {
	var b [longestName]byte
	if len(name) > 2*longestName {
		return unknown
	}
	if v, ok := byName.Find(fold(b[:0], name)); ok {
		return v
	}
	return unknown
}

// fold appends what is left of a name when case and separators do not count; nothing
// when that is longer than any variable's.
func fold(dst, name []byte) []byte {
	for _, c := range name {
		switch {
		case c == '_' || c == '-' || c == ' ':
			continue
		case c-'A' <= 'Z'-'A':
			c |= 0x20
		}
		if len(dst) == longestName {
			return dst[:0]
		}
		dst = append(dst, c)
	}
	return dst
}

// holds reports whether the letters and digits of text hold word, in any case. It looks
// at the first 64 of them.
func holds(text []byte, word string) bool {
	var b [64]byte
	n := 0
	for _, c := range text {
		if c-'A' <= 'Z'-'A' {
			c |= 0x20
		}
		if c-'a' > 'z'-'a' && c-'0' > 9 {
			continue
		}
		if n == len(b) {
			break
		}
		b[n] = c
		n++
	}
	for at := 0; at+len(word) <= n; at++ {
		if string(b[at:at+len(word)]) == word {
			return true
		}
	}
	return false
}

// is reports whether text is word, in any case; word is in lower case.
func is(text []byte, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i, c := range text {
		if c-'A' <= 'Z'-'A' {
			c |= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// placeholder is the name in text that is nothing but %%Name%%; nil when it is not.
func placeholder(text []byte) []byte {
	if len(text) < 5 || text[0] != '%' || text[1] != '%' {
		return nil
	}
	if end := nameEnd(text, 2); end == len(text)-2 && end > 2 && text[end] == '%' && text[end+1] == '%' {
		return text[2:end:end]
	}
	return nil
}

// nextPlaceholder finds the first %%Name%% in text, and what follows it.
func nextPlaceholder(text []byte) (name, rest []byte) {
	for at := 0; at+4 < len(text); at++ {
		if text[at] != '%' || text[at+1] != '%' {
			continue
		}
		end := nameEnd(text, at+2)
		if end > at+2 && end+1 < len(text) && text[end] == '%' && text[end+1] == '%' {
			return text[at+2 : end : end], text[end+2:]
		}
		if end > at+2 {
			at = end - 1
		}
	}
	return nil, nil
}

func nameEnd(text []byte, at int) int {
	for at < len(text) && (text[at]|0x20-'a' <= 'z'-'a' || text[at]-'0' <= 9 || text[at] == '_') {
		at++
	}
	return at
}

// blank reports whether a value says nothing: it is empty, one of the words for that, or
// a placeholder that was left.
func blank(text []byte) bool {
	for len(text) > 0 && text[0] <= ' ' {
		text = text[1:]
	}
	for n := len(text); n > 0 && text[n-1] <= ' '; n-- {
		text = text[:n-1]
	}
	return len(text) == 0 || is(text, "null") || is(text, "n/a") || string(text) == "-" || placeholder(text) != nil
}

// no reports whether a boolean says no; yes that it says yes.
func no(text []byte) bool { return is(text, "false") || is(text, "no") || string(text) == "0" }

func yes(text []byte) bool { return is(text, "true") || is(text, "yes") || string(text) == "1" }

// number is a value that is a whole number, without leading zeros; nil when it is none.
func number(text []byte) []byte {
	for _, c := range text {
		if c-'0' > 9 {
			return nil
		}
	}
	for len(text) > 1 && text[0] == '0' {
		text = text[1:]
	}
	if len(text) > 15 {
		return nil
	}
	return text
}

// seconds is a number as an integer.
func seconds(digits []byte) (n int64) {
	for _, c := range digits {
		n = 10*n + int64(c-'0')
	}
	return n
}

// parseTime reads yyyyMMddTHHmmssZ and the other forms in which a date may come. What
// names no zone is UTC.
func parseTime(text []byte) (record.Time, bool) {
	if len(text) < 14 || len(text) > 40 {
		return kit.ParseEpoch(text)
	}
	digits := 0
	for digits < len(text) && text[digits]-'0' <= 9 {
		digits++
	}
	clock := 8
	switch {
	case digits == 8 && text[8]|0x20 == 't' && len(text) >= 15:
		clock = 9
	case digits == 14 && text[0] < '3':
	case digits > 8:
		return kit.ParseEpoch(text)
	default:
		return kit.ParseTime(text)
	}
	var b [64]byte
	out := append(b[:0], text[:4]...)
	out = append(append(append(out, '-'), text[4:6]...), '-')
	out = append(append(out, text[6:8]...), 'T')
	out = append(append(out, text[clock:clock+2]...), ':')
	out = append(append(out, text[clock+2:clock+4]...), ':')
	out = append(out, text[clock+4:]...)
	if t, ok := kit.ParseTime(out); ok {
		return t, true
	}
	return kit.ParseEpoch(text)
}
