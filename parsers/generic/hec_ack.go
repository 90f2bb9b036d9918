package generic

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// hecOptions are the keys of a source of vendor hec besides a webhook's.
var hecOptions = kit.Options{Config: func() any { return &hecKeys{Ack: "auto"} }, Apply: withHECKeys}

type hecKeys struct {
	Ack string `yaml:"ack" enum:"auto|required|off" doc:"indexer acknowledgement, true as soon as events are on disk; auto: whoever names a channel gets an ackId · required: whoever names none is refused with code 10, as by a token with useACK · off: channels are ignored and /ack answers code 14; default: auto"`
}

// withHECKeys implements kit.Options.
func withHECKeys(v kit.Vendor, cfg any) (kit.Vendor, error) {
	k, ok := cfg.(*hecKeys)
	if !ok {
		return v, fmt.Errorf("hec: configuration is a %T", cfg)
	}
	hook := *v.Hook
	switch k.Ack {
	case "", "auto":
	case "required":
		acks := hecAcks
		acks.Required = true
		hook.Acks = &acks
	case "off":
		hook.Acks = nil
	default:
		return v, fmt.Errorf("ack: %q is none of auto, required and off", k.Ack)
	}
	v.Hook = &hook
	return v, nil
}

// hecAcks is HEC's indexer acknowledgement. It is never written to.
var hecAcks = kit.Acks{
	Header:  "X-Splunk-Request-Channel",
	Param:   "channel",
	Missing: hecAnswer(http.StatusBadRequest, 10, "Data channel is missing"),
	Invalid: hecAnswer(http.StatusBadRequest, 11, "Invalid data channel"),
	Bad:     hecAnswer(http.StatusBadRequest, 6, "Invalid data format"),
	Taken: func(id uint64) kit.Answer {
		return kit.Answer{Status: http.StatusOK, Body: `{"text":"Success","code":0,"ackId":` + strconv.FormatUint(id, 10) + "}"}
	},
	Ask:   readHECAcks,
	Reply: hecAckReply,
}

// readHECAcks reads {"acks":[0,1,5]}.
func readHECAcks(body []byte) (ids []uint64, ok bool) {
	end, err := kit.SkipValue(body, 0)
	if err != nil || end == 0 || kit.KindOf(body[:end]) != record.Map {
		return nil, false
	}
	list, found := kit.Find(body, "acks")
	if !found || kit.KindOf(list) != record.List {
		return nil, false
	}
	it := kit.Items(list)
	for it.Next() {
		id, err := strconv.ParseUint(string(it.Value), 10, 64)
		if err != nil {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, it.Err() == nil
}

func hecAckReply(ids []uint64, durable []bool) string {
	b := append(make([]byte, 0, 12+16*len(ids)), `{"acks":{`...)
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendUint(append(b, '"'), id, 10), '"', ':')
		b = strconv.AppendBool(b, durable[i])
	}
	return string(append(b, "}}"...))
}
