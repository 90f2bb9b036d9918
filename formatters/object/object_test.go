package object_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/siemfwd/siemfwd/formatters/object"
	"github.com/siemfwd/siemfwd/forwarder/record"
)

func TestPlan(t *testing.T) {
	text := func(k record.Key) object.Value { return object.Fact(k, 4, nil) }
	p := object.New(
		object.Member{Path: "a", Value: text(record.UserName)},
		object.Member{Path: "b.x", Value: text(record.UserID)},
		object.Member{Path: "c[].d.e", Value: text(record.UserDomain)},
		object.Member{Path: "b.y.z", Value: text(record.SrcHost)},
		object.Member{Path: "c[].f[]", Value: text(record.DstHost)},
		object.Member{Path: "b.y.w", Value: text(record.DstUser)},
		object.Member{Path: "n", Value: text(record.SrcPort)},
		object.Member{Path: "ip", Value: text(record.SrcIP)},
	)
	for _, c := range []struct {
		facts map[record.Key]string
		want  string
		cut   int
	}{
		{nil, `{}`, 0},
		{map[record.Key]string{record.UserName: "1"}, `{"a":"1"}`, 0},
		{map[record.Key]string{record.DstUser: "1"}, `{"b":{"y":{"w":"1"}}}`, 0},
		{map[record.Key]string{record.DstHost: "1", record.UserID: "12345"}, `{"b":{"x":"1234"},"c":[{"f":["1"]}]}`, 1},
		{map[record.Key]string{
			record.UserName: "1", record.UserID: "2", record.UserDomain: "3", record.SrcHost: "4", record.DstHost: "5", record.DstUser: "6",
			record.SrcPort: "7", record.SrcIP: "fe80::1%eth0",
		}, `{"a":"1","b":{"x":"2","y":{"z":"4","w":"6"}},"c":[{"d":{"e":"3"},"f":["5"]}],"n":7,"ip":"fe80"}`, 1},
		{map[record.Key]string{record.SrcPort: "007", record.SrcIP: "laptop"}, `{}`, 0},
		{map[record.Key]string{record.SrcPort: "9007199254740992"}, `{"n":"9007199254740992"}`, 0},
	} {
		var r record.Record
		for k, v := range c.facts {
			r.Set(k, []byte(v))
		}
		assert.Equal(t, "kept"+c.want, string(p.Append([]byte("kept"), &r)))
		assert.Equal(t, c.cut, r.Shortened)
		buf := make([]byte, 0, 1024)
		assert.Zero(t, testing.AllocsPerRun(20, func() { buf = p.Append(buf[:0], &r) }))
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	m := object.Member{Path: "a.b", Value: object.Const("1")}
	assert.Panics(t, func() { object.New(m, m) })
	assert.Panics(t, func() { object.New(object.Member{Path: "a.b.c.d.e.f.g.h.i.j", Value: m.Value}) })
}
