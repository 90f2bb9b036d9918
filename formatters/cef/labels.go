package cef

// appendSnake appends a label in lower case with "_" between its words, at most limit
// characters: PolicyName as policy_name, SourceIPs as source_ips.
func appendSnake(dst []byte, s string, limit int) []byte {
	start := len(dst)
	gap := false
	for i := 0; i < len(s) && len(dst)-start < limit; i++ {
		c := s[i]
		if !alnum(c) {
			gap = true
			continue
		}
		if gap = gap || begins(s, i); gap && len(dst) > start {
			dst = append(dst, '_')
		}
		if c-'A' <= 25 {
			c |= 0x20
		}
		dst, gap = append(dst, c), false
	}
	return dst
}

// begins reports whether a word begins with s[i]: a capital behind a small letter or a
// digit, or the last capital of several that a word in small letters follows.
func begins(s string, i int) bool {
	if i == 0 || !capital(s[i]) || !alnum(s[i-1]) {
		return false
	}
	if !capital(s[i-1]) {
		return true
	}
	small := 0 // letters behind it
	for j := i + 1; j < len(s) && s[j]-'a' <= 25; j++ {
		small++
	}
	return small > 1 // one is the s of a plural, or the v of IPv6
}

func capital(c byte) bool { return c-'A' <= 25 }
