package main

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/siemfwd/siemfwd/forwarder/control"
)

// TestScripts runs testdata/*.txtar: each is a session at the terminal, and shows how
// a command is used.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: scannerAPI,

		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"fill":     fillScript,
			"bury":     buryScript,
			"received": received,
			"feed":     feed,
			// exits N COMMAND ARG…: the command ends with that status.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits N COMMAND ARG…")
				}
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				if err := ts.Exec(args[1], args[2:]...); err != nil {
					var exit *exec.ExitError
					if !errors.As(err, &exit) {
						ts.Fatalf("%v", err)
					}
					got = exit.ExitCode()
				}
				if got != want {
					ts.Fatalf("exit status %d, want %d", got, want)
				}
			},
		},
	})
}

// received N: waits until the forwarder whose state is in $WORK/state has received N
// events, of all sources together, and none of them waits.
func received(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: received N")
	}
	want, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	client := control.NewClient(ts.MkAbs("state/control.sock"))
	var st control.Status
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if st, err = client.Status(context.Background()); err != nil {
			continue
		}
		sum, waiting, up := uint64(0), uint64(0), true
		for _, s := range st.Sources {
			sum += s.Received
			up = up && s.Up
		}
		for _, l := range st.Lanes {
			waiting += l.Waiting
		}
		if up && sum == want && waiting == 0 {
			return
		}
	}
	ts.Fatalf("not %d received after 30 s: %+v, %v", want, st, err)
}

// feed SOCKET FILE: writes the file to a source that listens on a unix socket.
func feed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: feed SOCKET FILE")
	}
	c, err := net.Dial("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = c.Write([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(c.Close())
}
