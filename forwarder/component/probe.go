package component

import "context"

// Prober is a component that can find out, without doing its work, whether it could:
// whether its addresses are free, its receiver answers, its credentials are taken. Probe
// leaves nothing open, and sends and takes no event. It is called on a component that
// does not run.
type Prober interface {
	Probe(ctx context.Context) []Probe
}

// Probe is what came of one attempt. No part of it holds a secret.
type Probe struct {
	What string // the address or file that was tried
	Note string // what is good to know about it
	Err  error  // nil: it works
}
