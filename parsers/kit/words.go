package kit

// Words finds what stands for a word, without allocating and faster than a map of
// strings. Make it with NewWords; it is not changed afterwards. The zero Words finds
// nothing.
type Words[T any] struct {
	slots []wordSlot[T]
}

type wordSlot[T any] struct {
	text  string
	value T
}

// NewWords makes a table of the words of a map. An empty word is never found.
func NewWords[T any](words map[string]T) Words[T] {
	size := 16
	for size < 4*len(words) {
		size *= 2
	}
	w := Words[T]{make([]wordSlot[T], size)}
	for text, value := range words {
		if text == "" {
			continue
		}
		i := w.hash([]byte(text))
		for w.slots[i].text != "" {
			i = (i + 1) % uint(size)
		}
		w.slots[i] = wordSlot[T]{text, value}
	}
	return w
}

// Find returns the value of a word; ok is false when it is not in the table.
func (w *Words[T]) Find(word []byte) (value T, ok bool) {
	if len(word) == 0 || len(w.slots) == 0 {
		return value, false
	}
	for i := w.hash(word); ; i = (i + 1) % uint(len(w.slots)) {
		s := &w.slots[i]
		if s.text == string(word) {
			return s.value, true
		}
		if s.text == "" {
			return value, false
		}
	}
}

func (w *Words[T]) hash(word []byte) uint {
	n := uint(len(word))
	h := n*37 ^ uint(word[0])*5 ^ uint(word[n-1])*67 ^ uint(word[n/2])*13
	return h & uint(len(w.slots)-1)
}
