package spool

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// A frame on disk, all numbers little endian:
//
//	 0  CRC-32C of everything behind it
//	 4  magic
//	 5  version (high four bits) and kind (low four)
//	 6  flags
//	 7  octets between header and payload
//	 8  salt, the same in every frame of one log
//	12  octets of the whole frame
//	16  index: of this event; in other frames, of the next one
//	24  time of reception, nanoseconds since 1970
//	32  peer, zone, size, key, acknowledged index: each only where its flag is set
//	    payload
//
// The salt is random and never leaves the disk, so what a sender writes into an
// event cannot pass for a frame when damage makes the reader search for one.
const (
	headerSize = 32
	magic      = 0xE7
	version    = 1

	kindEvent = 1
	kindMark  = 2
	kindHead  = 3
	kindNote  = 4 // the last thing Close writes: everything before it is durable

	flagLast  = 1 << 0 // ends its batch
	flagSize  = 1 << 1 // the event was cut; 4 octets
	flagKey   = 1 << 2 // 16 octets
	flagPeer4 = 1 << 3 // 4 octets and 2 of port
	flagPeer6 = 1 << 4 // 16 octets and 2 of port
	flagZone  = 1 << 5 // one octet of length and the zone
	flagAcked = 1 << 6 // everything before this index was durable when the frame was written; 8 octets

	markSize = 4 + 2 + 2 + 2 // events, ordinal and total of its batch, length of the key
	headSize = 8             // newest time of reception in the log so far
	maxZone  = 200
)

// MaxEvent is the most octets one event, or the value of one mark, may have.
const MaxEvent = 64 << 20

const maxFrame = headerSize + math.MaxUint8 + markSize + math.MaxUint16 + MaxEvent

// noTime stands for the zero time.
const noTime = math.MinInt64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	kind, flags byte
	extra, size int
	salt        uint32
	index       uint64
	time        int64
}

// parseHeader reads a header and says whether it can be one. b has at least
// headerSize octets.
func parseHeader(b []byte) (h header, ok bool) {
	b = b[:headerSize]
	if b[4] != magic || b[5]>>4 != version {
		return h, false
	}
	h.kind, h.flags, h.extra = b[5]&15, b[6], int(b[7])
	h.salt = binary.LittleEndian.Uint32(b[8:])
	n := binary.LittleEndian.Uint32(b[12:])
	h.size = int(n)
	h.index = binary.LittleEndian.Uint64(b[16:])
	h.time = int64(binary.LittleEndian.Uint64(b[24:]))
	return h, h.kind >= kindEvent && h.kind <= kindNote && n <= maxFrame && h.size >= headerSize+h.extra
}

func intact(frame []byte) bool {
	return crc32.Update(0, castagnoli, frame[4:]) == binary.LittleEndian.Uint32(frame)
}

func (h *header) payload(frame []byte) []byte { return frame[headerSize+h.extra : h.size : h.size] }

// decode fills r from an intact event frame. It says no when the optional part
// does not add up.
func (h *header) decode(frame []byte, r *event.Raw) bool {
	r.Data = h.payload(frame)
	r.Time = fromNano(h.time)
	r.Peer, r.Size, r.Key = netip.AddrPort{}, len(r.Data), event.Key{}
	if h.extra == 0 {
		return h.flags&^flagLast == 0
	}
	x := frame[headerSize : headerSize+h.extra]
	switch {
	case h.flags&flagPeer4 != 0 && len(x) >= 6:
		r.Peer = netip.AddrPortFrom(netip.AddrFrom4([4]byte(x)), binary.LittleEndian.Uint16(x[4:]))
		x = x[6:]
	case h.flags&flagPeer6 != 0 && len(x) >= 18:
		a := netip.AddrFrom16([16]byte(x))
		port := binary.LittleEndian.Uint16(x[16:])
		x = x[18:]
		if h.flags&flagZone != 0 && len(x) > 0 && len(x) > int(x[0]) {
			a = a.WithZone(string(x[1 : 1+x[0]]))
			x = x[1+x[0]:]
		}
		r.Peer = netip.AddrPortFrom(a, port)
	}
	if h.flags&flagSize != 0 && len(x) >= 4 {
		r.Size = max(r.Size, int(binary.LittleEndian.Uint32(x)))
		x = x[4:]
	}
	if h.flags&flagKey != 0 && len(x) >= len(r.Key) {
		r.Key = event.Key(x)
		x = x[len(r.Key):]
	}
	if h.flags&flagAcked != 0 && len(x) >= 8 {
		x = x[8:]
	}
	return len(x) == 0
}

// acked is the index up to which everything was durable when the frame was
// written; 0 when the frame does not say.
func (h *header) acked(frame []byte) uint64 {
	if h.flags&flagAcked == 0 || h.extra < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(frame[headerSize+h.extra-8:])
}

// stamp is what the frames of one batch have in common.
type stamp struct {
	salt  uint32
	flags byte
	acked uint64 // 0 when the frame need not say
}

func (st *stamp) appendAcked(dst []byte, flags byte) ([]byte, byte) {
	if st.acked == 0 {
		return dst, flags
	}
	return binary.LittleEndian.AppendUint64(dst, st.acked), flags | flagAcked
}

// appendEvent appends the frame of r to dst.
func appendEvent(dst []byte, st *stamp, index uint64, r *event.Raw) []byte {
	start := len(dst)
	dst = slices.Grow(dst, headerSize+math.MaxUint8+len(r.Data))
	dst = dst[:start+headerSize]
	flags := st.flags
	if r.Peer.IsValid() {
		dst, flags = appendPeer(dst, flags, r.Peer)
	}
	if r.Cut() {
		flags |= flagSize
		dst = binary.LittleEndian.AppendUint32(dst, uint32(min(r.Size, math.MaxUint32)))
	}
	if r.Key != (event.Key{}) {
		flags |= flagKey
		dst = append(dst, r.Key[:]...)
	}
	dst, flags = st.appendAcked(dst, flags)
	extra := len(dst) - start - headerSize
	dst = append(dst, r.Data...)
	seal(dst[start:], kindEvent, flags, extra, st.salt, index, toNano(r.Time))
	return dst
}

func appendPeer(dst []byte, flags byte, peer netip.AddrPort) ([]byte, byte) {
	a := peer.Addr()
	if a.Is4() {
		ip := a.As4()
		dst = append(dst, ip[:]...)
		return binary.LittleEndian.AppendUint16(dst, peer.Port()), flags | flagPeer4
	}
	ip := a.As16()
	dst = append(dst, ip[:]...)
	dst = binary.LittleEndian.AppendUint16(dst, peer.Port())
	flags |= flagPeer6
	if zone := a.Zone(); zone != "" && len(zone) <= maxZone {
		dst = append(append(dst, byte(len(zone))), zone...)
		flags |= flagZone
	}
	return dst, flags
}

// mark is what the payload of a mark frame says: the mark, how many events its
// batch has and which of the batch's marks it is.
type mark struct {
	event.Mark
	events   uint32
	ord, all uint16
}

func appendMark(dst []byte, st *stamp, index uint64, now int64, m *mark) []byte {
	start := len(dst)
	dst = slices.Grow(dst, headerSize+math.MaxUint8+markSize+len(m.Key)+len(m.Value))
	dst, flags := st.appendAcked(dst[:start+headerSize], st.flags)
	extra := len(dst) - start - headerSize
	dst = binary.LittleEndian.AppendUint32(dst, m.events)
	dst = binary.LittleEndian.AppendUint16(dst, m.ord)
	dst = binary.LittleEndian.AppendUint16(dst, m.all)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(m.Key)))
	dst = append(append(dst, m.Key...), m.Value...)
	seal(dst[start:], kindMark, flags, extra, st.salt, index, now)
	return dst
}

// parseMark reads the payload of a mark frame. The value points into p.
func parseMark(p []byte) (m mark, ok bool) {
	if len(p) < markSize {
		return m, false
	}
	m.events = binary.LittleEndian.Uint32(p)
	m.ord = binary.LittleEndian.Uint16(p[4:])
	m.all = binary.LittleEndian.Uint16(p[6:])
	k := int(binary.LittleEndian.Uint16(p[8:]))
	if len(p) < markSize+k || m.ord >= m.all {
		return m, false
	}
	m.Key, m.Value = string(p[markSize:markSize+k]), p[markSize+k:]
	return m, true
}

// appendHead appends what every segment begins with: a frame that names the
// first index, then all marks that are durable.
func appendHead(dst []byte, salt uint32, first uint64, now, newest int64, marks []event.Mark) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(newest))
	st := stamp{salt: salt}
	if len(marks) == 0 {
		st.flags = flagLast
	}
	seal(dst[start:], kindHead, st.flags, 0, salt, first, now)
	for i := range marks {
		if i == len(marks)-1 {
			st.flags = flagLast
		}
		dst = appendMark(dst, &st, first, now, &mark{marks[i], 0, uint16(i), uint16(len(marks))})
	}
	return dst
}

// appendNote appends a frame that says that everything before index is durable.
func appendNote(dst []byte, salt uint32, index uint64, now int64) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, headerSize)...)
	st := stamp{salt: salt, acked: index}
	dst, flags := st.appendAcked(dst, flagLast)
	seal(dst[start:], kindNote, flags, len(dst)-start-headerSize, salt, index, now)
	return dst
}

// seal writes the header and the checksum of a frame that is otherwise complete.
func seal(f []byte, kind, flags byte, extra int, salt uint32, index uint64, nano int64) {
	h := f[:headerSize]
	h[4], h[5], h[6], h[7] = magic, version<<4|kind, flags, byte(extra)
	binary.LittleEndian.PutUint32(h[8:], salt)
	binary.LittleEndian.PutUint32(h[12:], uint32(len(f)))
	binary.LittleEndian.PutUint64(h[16:], index)
	binary.LittleEndian.PutUint64(h[24:], uint64(nano))
	binary.LittleEndian.PutUint32(h, crc32.Update(0, castagnoli, f[4:]))
}

// maxSeconds from 1970 are sure to fit into 64 bits of nanoseconds.
const maxSeconds = math.MaxInt64/1_000_000_000 - 1

// toNano is t in nanoseconds since 1970, noTime when that cannot be said.
func toNano(t time.Time) int64 {
	s := t.Unix()
	if s >= maxSeconds || s <= -maxSeconds {
		return noTime
	}
	return s*1_000_000_000 + int64(t.Nanosecond())
}

func fromNano(n int64) time.Time {
	if n <= -maxSeconds*1_000_000_000+999_999_999 || n >= maxSeconds*1_000_000_000 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// headNewest reads the payload of a head frame.
func headNewest(p []byte) int64 { return int64(binary.LittleEndian.Uint64(p)) }
