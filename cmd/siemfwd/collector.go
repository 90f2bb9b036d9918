package main

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"

	syslog "gopkg.in/mcuadros/go-syslog.v2"
	"gopkg.in/mcuadros/go-syslog.v2/format"
)

// collector is the SIEM of `demo`: a syslog server of somebody else's making
// (gopkg.in/mcuadros/go-syslog.v2), on a loopback port. It reads LF frames of less than
// 64 KiB and keeps each message as it came. It must not be reachable by strangers:
// see forwarder/decisions.
type collector struct {
	address string
	server  *syslog.Server

	mu       sync.Mutex
	messages []string
}

// newCollector starts one on a free loopback port. The server tells nobody which port it
// got, so it is given one that was free a moment before, and another if that is taken.
func newCollector() (*collector, error) {
	for tries := 5; ; tries-- {
		address, err := freePort()
		if err != nil {
			return nil, err
		}
		c := &collector{address: address, server: syslog.NewServer()}
		c.server.SetFormat(verbatim{})
		c.server.SetHandler(c)
		if err = c.server.ListenTCP(c.address); err == nil {
			return c, c.server.Boot()
		}
		if tries == 1 {
			return nil, err
		}
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Handle keeps one message; the server calls it.
func (c *collector) Handle(parts format.LogParts, _ int64, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, fmt.Sprint(parts["message"]))
}

// received returns the messages so far.
func (c *collector) received() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.messages[:len(c.messages):len(c.messages)]
}

// stop ends the server. Its senders must have gone before.
func (c *collector) stop() error { return c.server.Kill() }

// verbatim is a format that parses nothing: one LF frame is one message.
type verbatim struct{}

// GetParser implements format.Format.
func (verbatim) GetParser(line []byte) format.LogParser { return message(line) }

// GetSplitFunc implements format.Format.
func (verbatim) GetSplitFunc() bufio.SplitFunc { return bufio.ScanLines }

type message string

// Parse implements format.LogParser.
func (message) Parse() error { return nil }

// Dump implements format.LogParser.
func (m message) Dump() format.LogParts { return format.LogParts{"message": string(m)} }

// Location implements format.LogParser.
func (message) Location(*time.Location) {}
