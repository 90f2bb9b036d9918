package campaign

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/framing"
)

// relpConn is one end of a RELP connection.
type relpConn struct {
	net.Conn
	reader framing.RELPReader
	buf    []byte
	out    []byte
}

func newRELP(c net.Conn) *relpConn {
	return &relpConn{Conn: c, reader: framing.RELPReader{Max: 1 << 20}}
}

// frames calls each for every frame that comes, and flush when no more is there at once,
// until either says no or the connection ends.
func (c *relpConn) frames(each func(f framing.RELPFrame) bool, flush func() bool) error {
	piece := make([]byte, 64<<10)
	for {
		f, n, err := c.reader.Next(c.buf)
		if err != nil {
			return err
		}
		c.buf = c.buf[n:]
		if f.Command != nil {
			if !each(f) {
				return nil
			}
			continue
		}
		if !flush() {
			return nil
		}
		n, err = c.Read(piece)
		c.buf = append(c.buf, piece[:n]...)
		if n == 0 && err != nil {
			return err
		}
	}
}

func (c *relpConn) queue(txnr uint32, command, data string) {
	c.out = framing.AppendRELP(c.out, txnr, command, []byte(data))
}

func (c *relpConn) flush() error {
	_, err := c.Write(c.out)
	c.out = c.out[:0]
	return err
}

const relpOffer = "relp_version=0\nrelp_software=campaign\ncommands=syslog"

// sendRELP sends events to wherever at says, some at a time, until ctx ends. What is not answered
// is sent again over the next connection; what is, is acknowledged.
func sendRELP(ctx context.Context, at func() string, book *ledger, every time.Duration) {
	pad := strings.Repeat("r", 300)
	var left []string
	for ctx.Err() == nil {
		nc, err := net.Dial("tcp", at())
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
			left = relpSession(ctx, newRELP(nc), book, left, pad, every)
			stop()
			_ = nc.Close()
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// relpSession is one connection. It returns the events that have no answer.
func relpSession(ctx context.Context, c *relpConn, book *ledger, left []string, pad string, every time.Duration) []string {
	c.queue(1, "open", relpOffer)
	if c.await(1, nil) != nil {
		return left
	}
	for txnr := uint32(2); ctx.Err() == nil; {
		for len(left) < 32 {
			left = append(left, newID("r", false))
		}
		numbers := map[uint32]string{}
		for _, id := range left {
			numbers[txnr] = id
			c.queue(txnr, "syslog", fmt.Sprintf(`<14>1 - - - - - - {"id":"%s","pad":"%s"}`, id, pad))
			txnr++
		}
		err := c.await(len(numbers), func(txnr uint32) { book.ack(numbers[txnr]); delete(numbers, txnr) })
		left = left[:0]
		for _, id := range numbers {
			left = append(left, id)
		}
		if err != nil {
			return left
		}
		pause(ctx, every)
	}
	return left
}

var errRefused = errors.New("refused")

// await writes what is queued and reads as many answers 200.
func (c *relpConn) await(n int, answered func(txnr uint32)) error {
	if err := c.flush(); err != nil {
		return err
	}
	var refused error
	err := c.frames(func(f framing.RELPFrame) bool {
		if string(f.Command) != "rsp" || !strings.HasPrefix(string(f.Data), "200") {
			refused = fmt.Errorf("%w: %s %s", errRefused, f.Command, f.Data)
			return false
		}
		if answered != nil {
			answered(f.TXNR)
		}
		n--
		return n > 0
	}, func() bool { return n > 0 })
	return errors.Join(err, refused)
}

// server is a receiver that is up and down.
type server struct {
	address string
	serve   func(net.Conn) // until the connection ends

	mu    sync.Mutex
	l     net.Listener // nil while it is down
	conns map[net.Conn]bool
	all   sync.WaitGroup
	downs int
}

func newServer(port int, serve func(net.Conn)) *server {
	return &server{address: "127.0.0.1:" + strconv.Itoa(port), serve: serve, conns: map[net.Conn]bool{}}
}

func (s *server) up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.l = l
	s.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			if s.l != l {
				_ = c.Close()
			}
			s.conns[c] = true
			s.mu.Unlock()
			s.all.Go(func() {
				s.serve(c)
				_ = c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			})
		}
	})
	return nil
}

// down ends all connections, whatever is in them.
func (s *server) down() {
	s.mu.Lock()
	if s.l != nil {
		_ = s.l.Close()
		s.l = nil
		s.downs++
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func (s *server) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.l != nil
}

// serveRELP answers each event when it has it.
func serveRELP(nc net.Conn, book *ledger, name string) {
	c := newRELP(nc)
	var list []string
	_ = c.frames(func(f framing.RELPFrame) bool {
		switch string(f.Command) {
		case "open":
			c.queue(f.TXNR, "rsp", "200 OK\n"+relpOffer)
		case "syslog":
			list = append(list, idOf(f.Data))
			c.queue(f.TXNR, "rsp", "200 OK")
		case "close":
			c.queue(f.TXNR, "rsp", "200 OK")
		}
		return true
	}, func() bool {
		book.arrive(name, list...)
		list = list[:0]
		return c.flush() == nil
	})
}
