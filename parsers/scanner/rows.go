package scanner

import (
	"bytes"

	"github.com/siemfwd/siemfwd/forwarder/record"
	"github.com/siemfwd/siemfwd/parsers/kit"
)

// setRows sets what the first row of the results says: rows of one alert are alike, and
// a SIEM that correlates wants an address or a user. table is where results_table
// stands, or -1.
func setRows(r *record.Record, alert []byte, table int) {
	if table < 0 || r.Fields[table].Kind != record.Map {
		return
	}
	count := scalar(r, r.Find(table, "total_row_count"))
	if rows := r.Find(table, "rows"); rows >= 0 && r.Fields[rows].Kind == record.List && r.Fields[rows].Size > 0 &&
		r.Fields[rows+1].Kind == record.Map {
		row := rows + 1
		setParties(r, row)
		if !number(count) {
			count = scalar(r, r.Find(row, "@q.count"))
		}
		r.SetSlot(record.CS4, "Row0", firstRow(r, alert))
	}
	if number(count) {
		r.Set(record.Count, count)
	}
}

func number(text []byte) bool { return len(text) > 0 && len(text) <= 18 && digits(text) == len(text) }

// party is a column that tells who was involved, by how its name ends.
type party struct {
	name string // in lower case
	rank int    // the lowest wins
	fact record.Key
}

var parties = [...]party{
	{"sourceipaddress", 0, record.SrcIP}, {"source.ip", 1, record.SrcIP}, {"src_ip", 2, record.SrcIP}, {"client.ip", 3, record.SrcIP},
	{"useridentity.arn", 0, record.UserName}, {"useridentity.username", 1, record.UserName}, {"user.name", 2, record.UserName},
	{"actor.alternateid", 3, record.UserName}, {"actor.id", 4, record.UserName},
	{"host.name", 0, record.DstHost}, {"hostname", 1, record.DstHost},
}

// setParties goes through the columns of the row at i. A value that is not of its fact's
// type says nothing.
func setParties(r *record.Record, row int) {
	const none = len(parties)
	ranks := [...]int{none, none, none}
	best := [...]record.Key{record.SrcIP, record.UserName, record.DstHost}
	end := row + 1 + int(r.Fields[row].Size)
	for i := row + 1; i < end; i += 1 + int(r.Fields[i].Size) {
		f := &r.Fields[i]
		if len(f.Text) == 0 {
			continue
		}
		if destination(f.Name) && !r.Has(record.DstIP) && kit.IsIP(f.Text) {
			r.Set(record.DstIP, f.Text)
		}
		for p := range parties {
			party := &parties[p]
			if !tail(f.Name, party.name) || !fits(party.fact, f) {
				continue
			}
			for b := range best {
				if best[b] == party.fact && party.rank < ranks[b] {
					ranks[b] = party.rank
					r.Set(party.fact, f.Text)
				}
			}
		}
	}
}

// fits reports whether a value can be what its column's name says.
func fits(fact record.Key, f *record.Field) bool {
	switch fact {
	case record.SrcIP:
		return kit.IsIP(f.Text)
	case record.DstHost:
		return f.Kind == record.String && bytes.IndexByte(f.Text, ' ') < 0
	}
	return f.Kind == record.String || f.Kind == record.Number
}

// tail reports whether name is word, or ends in a dot and word; word is in lower case.
func tail(name []byte, word string) bool {
	n := len(name) - len(word)
	return n >= 0 && (n == 0 || name[n-1] == '.') && sameFold(name[n:], word)
}

// destination reports whether a column is the address of a destination: one of the
// name's dotted parts begins with dest, and the name ends in ip.
func destination(name []byte) bool {
	if n := len(name); n < len("destip") || !sameFold(name[n-2:], "ip") {
		return false
	}
	for i := 0; i+len("dest")+2 <= len(name); i++ {
		if (i == 0 || name[i-1] == '.') && sameFold(name[i:i+len("dest")], "dest") {
			return true
		}
	}
	return false
}

// firstRow is the JSON of the first row without white space.
func firstRow(r *record.Record, alert []byte) []byte {
	rows, _ := kit.Find(alert, "results_table", "rows")
	i := kit.Items(rows)
	if !i.Next() {
		return nil
	}
	if !bytes.ContainsAny(i.Value, " \t\r\n") {
		return i.Value
	}
	return r.End(appendCompact(r.Begin(len(i.Value)), i.Value))
}

// appendCompact appends JSON without the white space between its tokens.
func appendCompact(dst, value []byte) []byte {
	quoted := false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
			c = value[i]
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
