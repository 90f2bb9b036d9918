package record

// Place is where a value of a record stands that a sink's configuration may replace: one
// of the places below, a fact (PlaceOf) or a slot (PlaceOfSlot).
type Place uint8

// The places that are neither facts nor slots.
const (
	PlaceTime Place = iota
	PlaceID
	PlaceName
	PlaceCategory
	PlaceAction
	PlaceOutcome
	PlaceMessage
	PlaceHost

	numPlaces
)

// PlaceOf is the place of a fact.
func PlaceOf(k Key) Place { return numPlaces + Place(k) }

// PlaceOfSlot is the place of a slot.
func PlaceOfSlot(s Slot) Place { return numPlaces + Place(numKeys) + Place(s) }

// Value is what stands in a place; the zero Value is nothing. Its slices and its label
// have to live as long as the record's event.
type Value struct {
	Text  []byte
	Time  Time   // of facts and slots that are times, and of PlaceTime
	Label string // of slots
}

// empty reports whether a value is nothing.
func (v *Value) empty() bool { return len(v.Text) == 0 && v.Time.IsZero() }

// Swap puts v where p is and returns what was there, so that swapping again restores the
// record.
func (r *Record) Swap(p Place, v Value) (old Value) {
	switch {
	case p >= numPlaces+Place(numKeys):
		return r.swapSlot(Slot(p-numPlaces-Place(numKeys)), v)
	case p >= numPlaces:
		return r.swapFact(Key(p-numPlaces), v)
	case p == PlaceTime:
		old.Time, r.Time = r.Time, v.Time
		return old
	}
	at := [...]*[]byte{
		PlaceID: &r.ID, PlaceName: &r.Name, PlaceCategory: &r.Category, PlaceAction: &r.Action,
		PlaceOutcome: &r.Outcome, PlaceMessage: &r.Message, PlaceHost: &r.Host,
	}[p]
	old.Text, *at = *at, v.Text
	return old
}

func (r *Record) swapFact(k Key, v Value) (old Value) {
	if r.Has(k) {
		old = Value{Text: r.facts[k].text, Time: r.facts[k].time}
	}
	r.have[k/64] &^= 1 << (k % 64)
	if !v.empty() {
		r.facts[k] = fact{v.Text, v.Time}
		r.have[k/64] |= 1 << (k % 64)
	}
	return old
}

func (r *Record) swapSlot(s Slot, v Value) (old Value) {
	if r.HasSlot(s) {
		old = Value{Text: r.slots[s].text, Time: r.slots[s].time, Label: r.slots[s].label}
	}
	r.slotted &^= 1 << s
	if !v.empty() {
		r.slots[s] = slot{v.Label, v.Text, v.Time}
		r.slotted |= 1 << s
	}
	return old
}

// Extra is a value under a key of one format's own, which no place stands for.
type Extra struct {
	Key   string
	Value []byte
}
