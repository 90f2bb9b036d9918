package config

import (
	"encoding"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/siemfwd/siemfwd/forwarder/component"
)

// scalar fills v from one word or text.
func (l *loader) scalar(a at, v reflect.Value, enum []string) bool {
	if a.null() || a.value().Kind != yaml.ScalarNode {
		return l.mismatch(a, wanted(v.Type(), enum), "")
	}
	if v.Type() == secretType {
		a.t.hide(a.value(), hiddenWord)
	}
	s, state := l.expand(a)
	isText := v.Kind() == reflect.String || v.Type() == secretType
	switch {
	case state == failed:
		return false
	case state == unresolved && !isText:
		return true // the default stays
	}
	if len(enum) > 0 && state != unresolved && !slices.Contains(enum, s) {
		return l.unknownWord(a, enum)
	}
	if v.Type() == secretType {
		l.secret(a, s, state)
		v.Set(reflect.ValueOf(component.NewSecret(s)))
		return true
	}
	problem, hint := l.set(v, s)
	if problem == "" {
		if hint != "" {
			l.report(a, Warning, a.path+": "+a.written()+" "+hint, "")
		}
		return true
	}
	l.report(a, Error, a.path+": "+a.written()+" "+problem, hint)
	return false
}

// unknownWord reports a word that is not one of those its key takes.
func (l *loader) unknownWord(a at, known []string) bool {
	key, holder, _ := cutLast(a.path)
	l.report(a, Error, "unknown "+key+" "+a.written()+holder, hintFor(a.value().Value, known))
	return false
}

// cutLast splits a path in the last key and where it stands, with " in " before it.
func cutLast(path string) (key, in string, ok bool) {
	name := strings.TrimRight(path, "[]0123456789")
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return name, "", false
	}
	return name[i+1:], " in " + name[:i], true
}

// secret warns of a secret that everyone sees who sees the file.
func (l *loader) secret(a at, s string, st state) {
	if st == asWritten && s != "" {
		l.report(a, Warning, a.path+" is a secret in plain text", "keep it as a credential of the service and write ${cred:NAME}")
	}
}

// wanted names what a type takes.
func wanted(t reflect.Type, enum []string) string {
	if len(enum) > 0 {
		return strings.Join(enum, ", ")
	}
	switch t {
	case durationType:
		return `a duration like "30s"`
	case sizeType:
		return `a size like "64MiB"`
	case secretType:
		return "text"
	case locationType:
		return "a time zone"
	case prefixType:
		return "a network"
	case addrType:
		return "an IP address"
	}
	if reflect.PointerTo(t).Implements(textType) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "text"
}

// set fills v from text. It returns what is wrong with the text and what to write
// instead; a hint without a problem is a warning.
func (l *loader) set(v reflect.Value, s string) (problem, hint string) {
	switch v.Type() {
	case durationType:
		d, problem, hint := parseDuration(s)
		v.SetInt(int64(d))
		return problem, hint
	case sizeType:
		n, problem, hint := parseSize(s)
		v.SetInt(int64(n))
		return problem, hint
	case locationType:
		return setZone(v, s)
	case prefixType:
		return setPrefix(v, s)
	case addrType:
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return "is not an IP address", ""
		}
		v.Set(reflect.ValueOf(ip))
		return "", ""
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(s)); err != nil {
			return "cannot be used: " + l.scrub(err.Error()), ""
		}
		return "", ""
	}
	return setBasic(v, s)
}

func setBasic(v reflect.Value, s string) (problem, hint string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		switch strings.ToLower(s) {
		case "true":
			v.SetBool(true)
		case "false":
			v.SetBool(false)
		default:
			return "is neither true nor false", ""
		}
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(s, v.Type().Bits())
		if err != nil || f-f != 0 || strings.ContainsAny(s, "_xXpP") {
			return "is not a number", ""
		}
		v.SetFloat(f)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if hint := notDecimal(s); hint != "" {
			return "is not a whole number", hint
		}
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return badNumber(err)
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if hint := notDecimal(s); hint != "" {
			return "is not a whole number", hint
		}
		if strings.HasPrefix(s, "-") {
			return "is not a whole number from 0 up", ""
		}
		n, err := strconv.ParseUint(s, 10, v.Type().Bits())
		if err != nil {
			return badNumber(err)
		}
		v.SetUint(n)
	default:
		return "cannot be read: siemfwd has no reader for this key", ""
	}
	return "", ""
}

func badNumber(err error) (problem, hint string) {
	if errors.Is(err, strconv.ErrRange) {
		return "is too large a number", ""
	}
	return "is not a whole number", ""
}

// notDecimal finds what YAML readers take for octal, hexadecimal or grouped numbers.
func notDecimal(s string) string {
	digits := strings.TrimLeft(s, "+-")
	if len(digits) > 1 && digits[0] == '0' || strings.Contains(s, "_") {
		return "write it in decimal, without zeros before it"
	}
	return ""
}

// setZone takes the names of the time zone database, and offsets from UTC.
func setZone(v reflect.Value, s string) (problem, hint string) {
	if t, err := time.Parse("-07:00", s); err == nil {
		_, offset := t.Zone()
		v.Set(reflect.ValueOf(time.FixedZone(s, offset)))
		return "", ""
	}
	zone, err := time.LoadLocation(s)
	if err != nil || s == "" {
		return "is not a time zone", "write UTC, Local, a name such as Europe/Berlin, or an offset such as +02:00"
	}
	v.Set(reflect.ValueOf(zone))
	return "", ""
}

// setPrefix takes networks, and addresses as networks of one.
func setPrefix(v reflect.Value, s string) (problem, hint string) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		v.Set(reflect.ValueOf(netip.PrefixFrom(ip, ip.BitLen())))
		return "", ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "is not a network", "write 10.0.0.0/8, 2001:db8::/32 or a single address"
	}
	v.Set(reflect.ValueOf(p.Masked()))
	if p != p.Masked() {
		return "", "means " + p.Masked().String()
	}
	return "", ""
}

// facility is a syslog facility by number or name.
type facility int

// facilities are in the order of RFC 5424 section 6.2.1, by the names of syslog.conf.
var facilities = [...]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

// UnmarshalText takes 0 to 23 or a name.
func (f *facility) UnmarshalText(b []byte) error {
	if i := slices.Index(facilities[:], string(b)); i >= 0 {
		*f = facility(i)
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 0 || n >= len(facilities) {
		return errors.New("facilities are 0 to 23, or names such as auth, daemon and local0")
	}
	*f = facility(n)
	return nil
}

// MarshalText returns the number.
func (f facility) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(f), 10), nil }
