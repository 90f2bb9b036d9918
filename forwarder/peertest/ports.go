package peertest

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
)

// Ports are taken from below the range that Linux gives to outgoing connections, so
// that none of those can slip in between the choice and the peer's bind.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// freePort returns a loopback port that nothing uses, neither over TCP nor over UDP.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		_ = l.Close()
		u, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		_ = u.Close()
		return port
	}
	t.Fatal("no free loopback port found in 100 tries")
	return 0
}

// boundUDP returns nil when a process of this machine reads UDP at addr, an IPv4
// address and port. A datagram socket cannot be asked by connecting: it is looked up
// in the kernel's table, whose second column is address:port in hexadecimal.
func boundUDP(addr string) error {
	want, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/net/udp")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	suffix := fmt.Sprintf(":%04X", want.Port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if cols := strings.Fields(lines.Text()); len(cols) > 1 && strings.HasSuffix(cols[1], suffix) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return fmt.Errorf("nothing reads udp %s", addr)
}

// FreePort returns a loopback port that nothing uses, neither over TCP nor over UDP, and
// that no outgoing connection gets.
func FreePort(t testing.TB) int { return freePort(t) }
