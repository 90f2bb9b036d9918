package syslog

import (
	"errors"
	"io"

	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// frames is a connection of messages in one of the framings of RFC 6587, to which nothing
// is ever answered.
type frames struct {
	*conn
	reader framing.Reader
}

func (c *frames) take() bool {
	used := 0
	for {
		f, n, err := c.reader.Next(c.buf[used:c.have])
		used += n
		if err != nil {
			c.flush()
			c.broken(err, c.have-used)
			return false
		}
		if f.Data == nil {
			break
		}
		c.add(f.Data, f.Size)
		if c.batch.Len() >= eventsPerBatch && !c.flush() {
			return false
		}
	}
	c.used(used)
	return c.flush()
}

// flush hands the batch to the log and waits for it. False means that the log does not
// take events any more.
func (c *frames) flush() bool {
	if c.batch.Len() == 0 {
		return true
	}
	err := c.log.Emit(c.emit, &c.batch)
	if err != nil {
		c.lost(c.batch.Len(), err)
	}
	c.batch.Reset()
	return err == nil
}

func (c *frames) left(err error) {
	defer c.large()()
	if f, ferr := c.reader.End(c.buf[:c.have]); ferr != nil {
		c.env.Meter.Add("frames_incomplete", 1)
		c.warn(c.peer.Addr(), "connection ended inside a counted frame", "err", ferr)
	} else if f.Data != nil {
		c.add(f.Data, f.Size)
	}
	c.flush()
	if !errors.Is(err, io.EOF) {
		c.env.Log.Debug("connection ended", "peer", c.peer, "err", err)
	}
}

// leave emits a line without its end.
func (c *frames) leave() (half bool) {
	f, err := c.reader.End(c.buf[:c.have])
	if err != nil {
		c.env.Meter.Add("frames_incomplete", 1)
		return true
	}
	if f.Data == nil {
		return false
	}
	c.add(f.Data, f.Size)
	c.flush()
	return true
}

// broken is a stream whose frames cannot be found any more.
func (c *frames) broken(err error, rest int) {
	text, name, hint := "connection closed: a frame's length cannot be read", "frames_bad_length", ""
	if errors.Is(err, framing.FrameTooLarge) {
		text, name, hint = "connection closed: a counted frame is longer than max_event", "frames_too_large", "raise max_event, or "
	}
	c.env.Meter.Add(name, 1)
	c.warn(c.peer.Addr(), text, "err", err, "bytes_dropped", rest, "hint", hint+"set framing: lf if the sender does not count octets")
}
