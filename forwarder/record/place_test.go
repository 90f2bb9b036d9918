package record

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSwap(t *testing.T) {
	r := &Record{ID: []byte("id"), Time: Unix(1, 3), Host: []byte("h")}
	r.Set(UserName, []byte("bob"))
	r.SetTime(Start, Unix(2, 3))
	r.SetSlot(CS1, "Label", []byte("v"))
	r.SetSlotTime(FlexDate1, "Date", Unix(3, 3))
	before := *r
	text := func(s string) Value { return Value{Text: []byte(s)} }
	swaps := []struct {
		place Place
		value Value
	}{
		{PlaceID, text("new")}, {PlaceHost, Value{}}, {PlaceName, text("n")}, {PlaceTime, Value{Time: Unix(9, 3)}}, {PlaceOf(UserName), Value{}},
		{PlaceOf(UserID), text("7")}, {PlaceOf(Start), Value{Time: Unix(8, 3)}}, {PlaceOf(TenantID), text("t")}, {PlaceOfSlot(CS1), Value{Text: []byte("w"), Label: "Other"}},
		{PlaceOfSlot(CS2), Value{Text: []byte("x"), Label: "Added"}}, {PlaceOfSlot(FlexDate1), Value{}}, {PlaceOfSlot(DeviceCustomDate2), Value{Time: Unix(4, 3), Label: "D"}},
		{PlaceID, text("newer")},
	}
	var old []Value
	for _, s := range swaps {
		old = append(old, r.Swap(s.place, s.value))
	}
	assert.Equal(t, "newer", string(r.ID))
	assert.Empty(t, r.Host)
	assert.False(t, r.Has(UserName))
	assert.Equal(t, "7", string(r.Get(UserID)))
	assert.Equal(t, "t", string(r.Get(TenantID)))
	assert.Equal(t, Unix(8, 3), r.GetTime(Start))
	label, v, _ := r.GetSlot(CS1)
	assert.Equal(t, "Other w", label+" "+string(v))
	assert.False(t, r.HasSlot(FlexDate1))
	_, _, at := r.GetSlot(DeviceCustomDate2)
	assert.Equal(t, Unix(4, 3), at)

	for i := len(swaps) - 1; i >= 0; i-- {
		r.Swap(swaps[i].place, old[i])
	}
	assert.Equal(t, before.ID, r.ID)
	assert.Equal(t, before.Host, r.Host)
	assert.Equal(t, before.Time, r.Time)
	assert.Equal(t, before.have, r.have)
	assert.Equal(t, before.slotted, r.slotted)
	assert.Equal(t, "bob", string(r.Get(UserName)))
	assert.Equal(t, Unix(2, 3), r.GetTime(Start))
	label, v, _ = r.GetSlot(CS1)
	assert.Equal(t, "Label v", label+" "+string(v))
}
