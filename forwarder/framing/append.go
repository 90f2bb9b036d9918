package framing

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// A message that already ends in LF loses it in each of the functions below, so that a
// trailer is never doubled and never counted.

// AppendLF appends msg and a line feed. RFC 6587 3.4.2 has no escape for a line feed
// inside a message, and one would split it: each becomes a space, and replaced tells
// how many did.
func AppendLF(dst, msg []byte) (out []byte, replaced int) {
	msg = trimLF(msg)
	for {
		i := bytes.IndexByte(msg, '\n')
		if i < 0 {
			dst = append(dst, msg...)
			return append(dst, '\n'), replaced
		}
		dst = append(dst, msg[:i]...)
		dst = append(dst, ' ')
		msg, replaced = msg[i+1:], replaced+1
	}
}

// AppendOctet appends the length of msg in octets, a space, and msg with all it
// contains. An empty msg adds nothing, because RFC 6587 3.4.1 has no empty frame.
func AppendOctet(dst, msg []byte) []byte {
	msg = trimLF(msg)
	if len(msg) == 0 {
		return dst
	}
	dst = strconv.AppendInt(dst, int64(len(msg)), 10)
	dst = append(dst, ' ')
	return append(dst, msg...)
}

// Datagram returns the part of msg that goes into one datagram (RFC 5426 3.1: the
// bare message, no trailer): at most limit octets, cut on a rune boundary.
func Datagram(msg []byte, limit int) (datagram []byte, cut bool) {
	msg = trimLF(msg)
	if len(msg) <= limit {
		return msg, false
	}
	end := limit
	for end > 0 && limit-end < utf8.UTFMax-1 && !utf8.RuneStart(msg[end]) {
		end--
	}
	if !utf8.RuneStart(msg[end]) {
		end = limit // not UTF-8
	}
	return msg[:end], true
}

// TrimEnd returns msg without the line feeds, carriage returns and NULs at its end. Some
// senders put a trailer into datagrams, and some (syslog-ng) into counted frames and count
// it, where none belongs.
func TrimEnd(msg []byte) []byte {
	end := len(msg)
	for end > 0 && (msg[end-1] == '\n' || msg[end-1] == '\r' || msg[end-1] == 0) {
		end--
	}
	return msg[:end]
}

func trimLF(msg []byte) []byte {
	if n := len(msg); n > 0 && msg[n-1] == '\n' {
		return msg[:n-1]
	}
	return msg
}
