package forwarder

import (
	"errors"

	"github.com/siemfwd/siemfwd/forwarder/config"
	"github.com/siemfwd/siemfwd/forwarder/when"
)

// Secrets says what a secret that cannot be read here means.
type Secrets = config.Secrets

// Lenient lets an unreadable ${cred:} or ${file:} be a note (check); Strict makes it
// an error (run).
const (
	Lenient = config.Lenient
	Strict  = config.Strict
)

// Load reads and checks a configuration: a file, or a folder whose *.yaml are one.
// The problems are all there are, not the first. The configuration can be used when
// problems.Err() is nil.
func Load(path string, secrets Secrets) (*config.Config, config.Problems) {
	return config.Load(path, Kinds(), config.Options{Secrets: secrets, Condition: checkCondition, Sink: checkSink})
}

// checkCondition holds a condition's text against the condition language.
func checkCondition(text string) (problem, hint string, offset int) {
	_, err := when.Parse(text)
	if err == nil {
		return "", "", 0
	}
	var bad *when.Error
	if errors.As(err, &bad) {
		return bad.Text, bad.Hint, bad.Offset
	}
	return err.Error(), "", 0
}

// filterOf compiles a sink's conditions.
func filterOf(c *config.Sink) (when.Filter, error) {
	var f when.Filter
	for _, t := range c.When {
		cond, err := when.Parse(t.Text)
		if err != nil {
			return f, err
		}
		f.When = append(f.When, cond)
	}
	for _, list := range c.Drop {
		var conds []*when.Cond
		for _, t := range list {
			cond, err := when.Parse(t.Text)
			if err != nil {
				return f, err
			}
			conds = append(conds, cond)
		}
		f.Drop = append(f.Drop, conds)
	}
	return f, nil
}
