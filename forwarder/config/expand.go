package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// state is what became of a scalar's ${…}.
type state uint8

const (
	asWritten  state = iota // it has none
	expanded                // all were replaced
	unresolved              // one cannot be read here, which may be so (Lenient)
	failed                  // one is wrong; reported
)

// expansion is what a ${…} stands for.
type expansion struct{ value, written string }

// reference finds ${…}; the first group is the kind, the second the name.
var reference = regexp.MustCompile(`\$\{([^:{}]*)(?::([^{}]*))?\}`)

var (
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	credName = regexp.MustCompile(`^[A-Za-z0-9_@:-][A-Za-z0-9_.@:-]{0,254}$`)
)

// wholeReference reports whether text is one ${…} and nothing else.
func wholeReference(s string) bool {
	m := reference.FindStringIndex(s)
	return m != nil && m[0] == 0 && m[1] == len(s)
}

// expand returns a scalar's text with each ${…} replaced, once, and each $${ as ${.
func (l *loader) expand(a at) (string, state) {
	s := a.value().Value
	if !strings.Contains(s, "${") {
		return s, asWritten
	}
	var b strings.Builder
	st := asWritten
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			b.WriteString("${")
			i += 3
			continue
		case !strings.HasPrefix(s[i:], "${"):
			b.WriteByte(s[i])
			i++
			continue
		}
		m := reference.FindStringSubmatchIndex(s[i:])
		if m == nil || m[0] != 0 {
			l.reportIn(a, i, 2, Error, "this ${ has no end", "write ${env:NAME}, ${file:/path} or ${cred:NAME}; $${ stands for a plain ${")
			return s, failed
		}
		written, kind, name := s[i:i+m[1]], s[i+m[2]:i+m[3]], ""
		if m[4] >= 0 {
			name = s[i+m[4] : i+m[5]]
		}
		v, known := l.values[written]
		if !known {
			v.text, v.problem = l.resolve(kind, name)
			l.values[written] = v
			if v.text != "" {
				l.expanded = append(l.expanded, expansion{v.text, written})
			}
		}
		switch problem := v.problem; {
		case problem == nil:
			b.WriteString(v.text)
			st = max(st, expanded)
		case problem.note && l.o.Secrets == Lenient:
			l.reportIn(a, i, m[1], Note, "not checked: "+written+" ("+problem.why+")", "")
			b.WriteString(written)
			st = max(st, unresolved)
		default:
			l.reportIn(a, i, m[1], Error, problem.text(written), problem.hint)
			st = failed
		}
		i += m[1]
	}
	if st == unresolved {
		l.unresolved[a.value()] = true
	}
	l.written[a.path] = s
	return b.String(), st
}

// value is what a ${…} stands for, or why that is not known.
type value struct {
	text    string
	problem *trouble
}

// trouble is why a ${…} has no value.
type trouble struct {
	why, hint string
	note      bool // it may be readable elsewhere
}

func (p *trouble) text(written string) string { return written + ": " + p.why }

func (l *loader) resolve(kind, name string) (string, *trouble) {
	switch kind {
	case "env":
		if !envName.MatchString(name) {
			return "", &trouble{why: "a variable's name is letters, digits and _", hint: "there are no defaults or commands in ${…}"}
		}
		v, ok := l.o.LookupEnv(name)
		if !ok {
			return "", &trouble{why: name + " is not set in the environment", hint: "set it for the service with Environment= or EnvironmentFile="}
		}
		return v, nil
	case "file":
		if !filepath.IsAbs(name) {
			return "", &trouble{why: "the path must be absolute"}
		}
		return l.readSecret(name, "no such file", "")
	case "cred":
		if !credName.MatchString(name) {
			return "", &trouble{why: "this cannot be the name of a credential"}
		}
		dir, ok := l.o.LookupEnv("CREDENTIALS_DIRECTORY")
		if !ok || dir == "" {
			return "", &trouble{why: "only the service can read it", hint: "systemd hands credentials to the service only; elsewhere set CREDENTIALS_DIRECTORY", note: true}
		}
		return l.readSecret(filepath.Join(dir, name), "the service has no such credential", "add LoadCredential="+name+":/path to the service")
	}
	hint := "write ${env:NAME}, ${file:/path} or ${cred:NAME}; $${ stands for a plain ${"
	if s := suggest(kind, []string{"env", "file", "cred"}); s != "" {
		hint = "did you mean ${" + s + ":" + name + "}?"
	} else if name == "" && envName.MatchString(kind) {
		hint = "did you mean ${env:" + kind + "}?"
	}
	return "", &trouble{why: "no such kind of value", hint: hint}
}

// readSecret reads a file and cuts the line end it closes with.
func (l *loader) readSecret(path, missing, hint string) (string, *trouble) {
	b, err := l.o.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &trouble{why: missing, hint: hint, note: true}
	case errors.Is(err, fs.ErrPermission):
		return "", &trouble{why: "this user may not read it", hint: hint, note: true}
	case err != nil:
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return "", &trouble{why: err.Error(), hint: hint, note: true}
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

const maxSecret = 1 << 20

// readFile reads a regular file of up to 1 MiB.
func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(b) > maxSecret {
		err = fmt.Errorf("larger than %d octets", maxSecret)
	}
	return b, err
}

// scrub puts the ${…} back where a message holds what it stands for. Very short values
// stay: they say nothing, and stand in many words.
func (l *loader) scrub(s string) string {
	const short = 4
	if s == "" || !l.room() {
		return ""
	}
	// The longest first: one may hold another.
	slices.SortStableFunc(l.expanded, func(a, b expansion) int { return len(b.value) - len(a.value) })
	for _, e := range l.expanded {
		if len(e.value) < short {
			break
		}
		s = strings.ReplaceAll(s, e.value, e.written)
		if q := strconv.Quote(e.value); q != `"`+e.value+`"` {
			s = strings.ReplaceAll(s, q[1:len(q)-1], e.written)
		}
	}
	return s
}
