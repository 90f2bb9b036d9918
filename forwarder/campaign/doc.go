// Package campaign puts a forwarder through what loses events elsewhere, and counts. Each
// of its tests ends with one line of figures on standard output:
//
//  1. kill -9 at random moments while webhooks, a poller, RELP and TCP feed it and sinks
//     go up and down
//  2. power cuts: what was not synced is gone, the last blocks are torn
//  3. mutations of a spool on disk
//  4. a disk that is full
//  5. three sinks, one a black hole, one refusing
//  6. a real rsyslog that is restarted and killed
//  7. memory with a large backlog and all sinks down
//
// `go test -v ./forwarder/campaign` runs short versions that hold nothing against the
// clock; `go test -v ./forwarder/campaign -timeout 0 -long` the full ones, -run one of
// them, with -rounds as many rounds as that, with -seed the same again.
package campaign
