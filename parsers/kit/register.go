package kit

import "context"

// Register is for vendors that can be told through an API of theirs where to post to.
type Register struct {
	// Config returns a pointer to a fresh struct of the vendor's own keys under a webhook
	// source, with their defaults; see component.Spec. The webhook's keys (listen, path,
	// auth, …) stand beside them and must not be among them.
	Config func() any
	// Open makes the registrar of one source. cfg is what Config returned, filled in and
	// checked; owner stands for the source, and is the same after a restart. A nil
	// Registrar: the configuration wants none. Open does no I/O.
	Open func(cfg any, owner string) (Registrar, error)
}

// Registrar makes sure that the vendor posts to where the configuration says. It may be
// called again at any time, and changes nothing when all is well. memo is what the last
// call returned as keep, nil when there is none. said is one line about how things stand
// now, for the log; no secrets. *Denied and *Bad say that it is of no use to try again
// with this configuration, *Throttled when it is.
type Registrar func(ctx context.Context, memo []byte) (said string, keep []byte, err error)
