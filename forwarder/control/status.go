package control

import "time"

// Status is what a running forwarder says of itself: the facts behind `siemfwd
// status`. Its JSON names are stable.
type Status struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	State   string    `json:"state"` // the state folder
	Sources []Source  `json:"sources"`
	Sinks   []Sink    `json:"sinks"`
	Lanes   []Lane    `json:"lanes"`
	// Letters is how many dead letters there are, of all sinks and whenever they died;
	// bodies that sources refused are not among them.
	Letters uint64 `json:"dead_letters,omitempty"`
}

// Source is one way in.
type Source struct {
	Name       string    `json:"name"`
	Type       string    `json:"type"`
	Vendor     string    `json:"vendor"`
	Up         bool      `json:"up"`
	Since      time.Time `json:"since"`           // of the current state
	Error      string    `json:"error,omitempty"` // what is wrong when it is not up
	Listening  []string  `json:"listening,omitempty"`
	Position   time.Time `json:"position,omitzero"`  // up to when everything has been read, of sources that ask
	Progress   string    `json:"progress,omitempty"` // the same for people
	Received   uint64    `json:"received"`
	Duplicates uint64    `json:"duplicates"`
	SpoolBytes int64     `json:"spool_bytes"`
	Full       bool      `json:"full,omitempty"`
	Damaged    uint64    `json:"damaged,omitempty"` // damaged places of the spool found since the start; copies are in its quarantine
}

// Sink is one way out, over all the sources it reads.
type Sink struct {
	Name  string    `json:"name"`
	Type  string    `json:"type"`
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
	Error string    `json:"error,omitempty"`
}

// Lane is what became of one source's events on the way to one sink:
// Received = Delivered + Filtered + Dead + Expired + Waiting.
type Lane struct {
	Source    string `json:"source"`
	Sink      string `json:"sink"`
	Received  uint64 `json:"received"`
	Delivered uint64 `json:"delivered"`
	Filtered  uint64 `json:"filtered"`
	Dead      uint64 `json:"dead"`
	Expired   uint64 `json:"expired"`
	Waiting   uint64 `json:"waiting"`
	// Unconfirmed is how many of those waiting were sent and are not confirmed by the receiver.
	Unconfirmed uint64 `json:"unconfirmed,omitempty"`
	// Retried is how many of those delivered had been dead before: a retry delivered them.
	Retried uint64 `json:"retried,omitempty"`
	// Replayed is how many stored events replays sent again, since the start. They are in
	// none of the other numbers.
	Replayed uint64 `json:"replayed,omitempty"`
	// Oldest is the receive time of the oldest waiting event; zero when none waits.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Unbalanced is what a forwarder logs at its end for a lane whose Balance is not 0.
const Unbalanced = "accounting does not add up, please report this"

// Balance is received minus everything that became of it: 0 when nothing is lost.
func (l Lane) Balance() int64 {
	return int64(l.Received) - int64(l.Delivered+l.Filtered+l.Dead+l.Expired+l.Waiting)
}
