package kit

import (
	"crypto/sha256"

	"github.com/siemfwd/siemfwd/forwarder/event"
)

// EachValue takes a webhook's body apart as SplitValues does and calls each for every
// value, until one of them is answered: a body is good only as a whole. n counts the
// values; err says where the body is not JSON.
func EachValue(body []byte, each func(value []byte) *Answer) (n int, bad *Answer, err error) {
	err = SplitValues(body, func(value []byte) {
		n++
		if bad == nil {
			bad = each(value)
		}
	})
	return n, bad, err
}

// KeyOf is the key of a delivery: the start of the hash of what makes it this delivery.
func KeyOf(identity []byte) (key event.Key) {
	sum := sha256.Sum256(identity)
	copy(key[:], sum[:])
	return key
}
