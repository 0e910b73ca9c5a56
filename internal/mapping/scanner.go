package mapping

import "bytes"

// scanner splits a script into words and single characters, leaving out
// strings and comments.
type scanner struct {
	src  []byte
	pos  int
	line int
}

// next returns the next word or character, and false at the end.
func (s *scanner) next() (string, bool) {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case bytes.HasPrefix(s.src[s.pos:], []byte("--")):
			s.comment()
		case c == '"' || c == '\'':
			s.quoted(c)
		case c == '[' && s.longLevel() >= 0:
			s.long(s.longLevel())
		case isWord(c):
			start := s.pos
			for s.pos < len(s.src) && isWord(s.src[s.pos]) {
				s.pos++
			}
			return string(s.src[start:s.pos]), true
		case c == '\n':
			s.line++
			s.pos++
		default:
			s.pos++
			return string(c), true
		}
	}
	return "", false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (s *scanner) comment() {
	s.pos += len("--")
	if s.pos < len(s.src) && s.src[s.pos] == '[' {
		if level := s.longLevel(); level >= 0 {
			s.long(level)
			return
		}
	}
	for s.pos < len(s.src) && s.src[s.pos] != '\n' {
		s.pos++
	}
}

func (s *scanner) quoted(quote byte) {
	for s.pos++; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case '\\':
			s.pos++
		case '\n':
			return
		case quote:
			s.pos++
			return
		}
	}
}

// longLevel returns the number of equal signs of a long bracket that begins
// here, or -1.
func (s *scanner) longLevel() int {
	level := 0
	for s.pos+1+level < len(s.src) && s.src[s.pos+1+level] == '=' {
		level++
	}
	if s.pos+1+level < len(s.src) && s.src[s.pos+1+level] == '[' {
		return level
	}
	return -1
}

func (s *scanner) long(level int) {
	closing := append(append([]byte{']'}, bytes.Repeat([]byte{'='}, level)...), ']')
	body := s.src[s.pos:]
	size := len(body)
	if end := bytes.Index(body, closing); end >= 0 {
		size = end + len(closing)
	}
	s.line += bytes.Count(body[:size], []byte{'\n'})
	s.pos += size
}
