package record

import "math/bits"

// Slot is one of CEF's numbered custom places. A vendor's table says which of its
// values stand in which slot and under which label; formats without slots show the
// value under its label.
type Slot uint8

// The slots, in the order in which CEF output has them.
const (
	CN1 Slot = iota
	CN2
	CN3
	CS1
	CS2
	CS3
	CS4
	CS5
	CS6
	CFP1
	CFP2
	CFP3
	CFP4
	C6A1
	C6A4
	FlexNumber1
	FlexNumber2
	FlexString1
	FlexString2
	FlexDate1
	DeviceCustomDate1
	DeviceCustomDate2

	numSlots
)

// Slots holds each slot's extension key and the key of its label.
var Slots = [numSlots]struct{ CEF, Label string }{
	CN1: {"cn1", "cn1Label"}, CN2: {"cn2", "cn2Label"}, CN3: {"cn3", "cn3Label"},
	CS1: {"cs1", "cs1Label"}, CS2: {"cs2", "cs2Label"}, CS3: {"cs3", "cs3Label"},
	CS4: {"cs4", "cs4Label"}, CS5: {"cs5", "cs5Label"}, CS6: {"cs6", "cs6Label"},
	CFP1: {"cfp1", "cfp1Label"}, CFP2: {"cfp2", "cfp2Label"}, CFP3: {"cfp3", "cfp3Label"}, CFP4: {"cfp4", "cfp4Label"},
	C6A1: {"c6a1", "c6a1Label"}, C6A4: {"c6a4", "c6a4Label"},
	FlexNumber1: {"flexNumber1", "flexNumber1Label"}, FlexNumber2: {"flexNumber2", "flexNumber2Label"},
	FlexString1: {"flexString1", "flexString1Label"}, FlexString2: {"flexString2", "flexString2Label"},
	FlexDate1:         {"flexDate1", "flexDate1Label"},
	DeviceCustomDate1: {"deviceCustomDate1", "deviceCustomDate1Label"},
	DeviceCustomDate2: {"deviceCustomDate2", "deviceCustomDate2Label"},
}

// SetSlot puts text into a slot under label. Empty text sets nothing. label must
// outlive the record's event (a constant, or text that lives as long as the raw event).
func (r *Record) SetSlot(s Slot, label string, text []byte) {
	if len(text) == 0 {
		return
	}
	v := &r.slots[s]
	v.label, v.text, v.time = label, text, Time{}
	r.slotted |= 1 << s
}

// SetSlotTime puts a time into one of the date slots. A zero time sets nothing.
func (r *Record) SetSlotTime(s Slot, label string, t Time) {
	if t.IsZero() {
		return
	}
	v := &r.slots[s]
	v.label, v.text, v.time = label, nil, t
	r.slotted |= 1 << s
}

// HasSlot reports whether the slot is taken.
func (r *Record) HasSlot(s Slot) bool { return r.slotted&(1<<s) != 0 }

// GetSlot returns a slot's label and value; either text or t is set.
func (r *Record) GetSlot(s Slot) (label string, text []byte, t Time) {
	if !r.HasSlot(s) {
		return "", nil, Time{}
	}
	v := &r.slots[s]
	return v.label, v.text, v.time
}

// NextSlot returns the first taken slot from s on.
func (r *Record) NextSlot(s Slot) (Slot, bool) {
	rest := r.slotted >> s
	if s >= numSlots || rest == 0 {
		return 0, false
	}
	return s + Slot(bits.TrailingZeros64(rest)), true
}

// Next returns the first key of the set from k on.
func (f FactSet) Next(k Key) (Key, bool) {
	for k < numKeys {
		if rest := f[k/64] >> (k % 64); rest != 0 {
			return k + Key(bits.TrailingZeros64(rest)), true
		}
		k = (k/64 + 1) * 64
	}
	return 0, false
}
