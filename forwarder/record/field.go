package record

// Kind is the type of a vendor field's value.
type Kind uint8

// The kinds. Scalars keep their text: a Number is never passed through a float.
const (
	Null   Kind = iota
	Bool        // Text is "true" or "false"
	Number      // Text is a JSON number as the vendor wrote it
	String      // Text is the decoded text; it may hold any bytes
	List        // the next Size fields are its items, with all their descendants
	Map         // the next Size fields are its members, with all their descendants
)

// Field is one value the vendor sent. Record.Fields is a tree in pre-order: the
// children of a List or Map follow it, and Size counts all that follow and belong
// to it, so that the next sibling of Fields[i] is Fields[i+1+Size].
type Field struct {
	Name []byte // nil for the items of a list
	Text []byte // of scalars
	Size int32
	Kind Kind
	// Plain says that Text (and Name) hold valid UTF-8 without control characters,
	// quote, backslash, U+2028 and U+2029, so that an encoder may copy them. False
	// says nothing.
	Plain bool
}

// Append appends a scalar field; plain as in Field.Plain.
func (r *Record) Append(name []byte, kind Kind, text []byte, plain bool) {
	n := len(r.Fields)
	if n == cap(r.Fields) {
		r.Fields = append(r.Fields, Field{})
	}
	r.Fields = r.Fields[:n+1]
	// Set one by one: copying a Field that was just built costs five times as much.
	f := &r.Fields[n]
	f.Name, f.Text, f.Size, f.Kind, f.Plain = name, text, 0, kind, plain
}

// Add appends a scalar field.
func (r *Record) Add(name []byte, kind Kind, text []byte) { r.Append(name, kind, text, false) }

// AddPlain appends a scalar field whose name and text need no escaping in JSON
// (see Field.Plain).
func (r *Record) AddPlain(name []byte, kind Kind, text []byte) { r.Append(name, kind, text, true) }

// Open appends a List or Map; what is added until the matching Close belongs to it.
func (r *Record) Open(name []byte, kind Kind) {
	r.open = append(r.open, len(r.Fields))
	r.Append(name, kind, nil, false)
}

// Close ends the innermost open List or Map.
func (r *Record) Close() {
	i := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	r.Fields[i].Size = int32(len(r.Fields) - i - 1)
}

// Undo takes back every field from Fields[n] on, and every List or Map opened since.
func (r *Record) Undo(n int) {
	r.Fields = r.Fields[:n]
	for len(r.open) > 0 && r.open[len(r.open)-1] >= n {
		r.open = r.open[:len(r.open)-1]
	}
}

// Find returns the index of the member called name among the children of the Map
// at parent (-1: the top level), or -1.
func (r *Record) Find(parent int, name string) int {
	i, end := 0, len(r.Fields)
	if parent >= 0 {
		i, end = parent+1, parent+1+int(r.Fields[parent].Size)
	}
	for ; i < end; i += 1 + int(r.Fields[i].Size) {
		if string(r.Fields[i].Name) == name {
			return i
		}
	}
	return -1
}

// Text returns the text of the scalar called name at the top level; nil when it is
// absent, null, a list or a map.
func (r *Record) Text(name string) []byte {
	if i := r.Find(-1, name); i >= 0 {
		return r.Fields[i].Text
	}
	return nil
}
