package syslog

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// relp is a connection whose every message is answered once it is on disk, and not
// before: what is not answered the sender sends again. The sender's window bounds what it
// sends meanwhile, so that a log which takes nothing stops it.
type relp struct {
	*conn
	reader framing.RELPReader
	opened bool
	due    []uint32 // numbers of the batch's messages, which are to be answered
	out    []byte   // answers that are to be written
}

// What is answered: a status, and words of at most 80 octets for people.
const (
	relpOK      = "200 OK"
	relpOffers  = "200 OK\nrelp_version=0\nrelp_software=siemfwd\ncommands=syslog"
	relpTooSoon = "500 open comes first"
	relpUnknown = "500 unknown command"
)

const (
	// answerTime is how long a sender may leave its answers unread.
	answerTime = 30 * time.Second
	// farewell is how long a connection goes on after the last word of ours. To close a
	// socket while octets arrive takes back what the peer has not read.
	farewell = 200 * time.Millisecond
	// answers is how many octets of answers are kept for one write, and for the next.
	answers = 32 << 10
)

func isRELP(scheme string) bool { return scheme == "relp" || scheme == "relp+tls" }

func (c *relp) take() bool {
	used := 0
	for {
		f, n, err := c.reader.Next(c.buf[used:c.have])
		used += n
		if err != nil {
			c.broken(err)
			return false
		}
		if f.Command == nil {
			break
		}
		if !c.frame(f) {
			return false
		}
	}
	c.used(used)
	return c.store() && c.write()
}

// frame does what a frame asks for. False means that the connection is to be closed.
func (c *relp) frame(f framing.RELPFrame) bool {
	switch string(f.Command) {
	case "syslog":
		if !c.opened {
			c.reply(f.TXNR, relpTooSoon)
			c.broken(errors.New("a message before open"))
			return false
		}
		c.add(f.Data, f.Size)
		if f.TXNR != 0 { // 0 is a hint: hints are not answered
			c.due = append(c.due, f.TXNR)
		}
		return max(len(c.due), c.batch.Len()) < eventsPerBatch || c.store() && c.write()
	case "open":
		c.opened = true
		return c.reply(f.TXNR, relpOffers)
	case "close":
		if c.reply(f.TXNR, relpOK) {
			c.leave()
		}
		return false
	}
	return c.reply(f.TXNR, relpUnknown)
}

// reply puts an answer behind those of the messages before it.
func (c *relp) reply(txnr uint32, text string) bool {
	if !c.store() {
		return false
	}
	if txnr != 0 {
		c.out = framing.AppendRELP(c.out, txnr, "rsp", []byte(text))
	}
	return len(c.out) < answers || c.write()
}

// store makes the batch durable and its answers ready. False means that they are not to
// be given, for the log takes no more.
func (c *relp) store() bool {
	if c.batch.Len() > 0 {
		err := c.log.Emit(c.emit, &c.batch)
		c.batch.Reset()
		if err != nil {
			if c.ctx.Err() == nil {
				c.fail(err)
			}
			c.due = c.due[:0]
			return false
		}
	}
	for _, txnr := range c.due {
		c.out = framing.AppendRELP(c.out, txnr, "rsp", []byte(relpOK))
	}
	c.due = c.due[:0]
	return true
}

// write hands the answers to the kernel. False means that the sender is not there, or
// does not read them.
func (c *relp) write() bool {
	if len(c.out) == 0 {
		return true
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(answerTime))
	if c.ctx.Err() != nil {
		_ = c.nc.SetWriteDeadline(time.Now().Add(farewell))
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > 2*answers {
		c.out = nil
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded) && c.ctx.Err() == nil:
		c.warn(c.peer.Addr(), "connection closed: the sender does not read the answers to its messages", "for", answerTime)
	default:
		c.env.Log.Debug("connection ended", "peer", c.peer, "err", err)
	}
	return false
}

// left is the end of the connection by the sender, or by the network. Half a message is
// not lost: it was not answered.
func (c *relp) left(err error) {
	if c.reader.End(c.buf[:c.have]) != nil {
		c.env.Meter.Add("frames_incomplete", 1)
	}
	if !errors.Is(err, io.EOF) {
		c.env.Log.Debug("connection ended", "peer", c.peer, "err", err)
	}
}

// leave tells the sender that the connection ends, and sees to it that it can read the
// answers it was given.
func (c *relp) leave() (half bool) {
	c.out = framing.AppendRELP(c.out, 0, "serverclose", nil)
	if !c.write() {
		return false
	}
	if w, ok := c.nc.(interface{ CloseWrite() error }); !ok || w.CloseWrite() != nil {
		return false
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(farewell))
	for {
		if _, err := c.nc.Read(c.buf); err != nil {
			return false
		}
	}
}

// broken is a sender that speaks something else.
func (c *relp) broken(err error) {
	c.env.Meter.Add("frames_broken", 1)
	c.warn(c.peer.Addr(), "connection closed: what the sender sends is not RELP", "err", err,
		"hint", "the sender must send by RELP (rsyslog: omrelp), with TLS where the address is relp+tls://; plain syslog needs tcp:// in listen")
	if c.store() && c.opened {
		c.leave()
	} else {
		c.write()
	}
}
