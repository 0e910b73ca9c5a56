package main

import (
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// encoding is how a file's text is encoded.
type encoding string

const (
	encodingAuto  encoding = "auto"
	encodingUTF8  encoding = "utf-8"
	encodingLE    encoding = "utf-16le"
	encodingBE    encoding = "utf-16be"
	encodingLatin encoding = "windows-1252"
)

// encodings are the encodings of a file in the order of their codes in a
// cursor.
func encodings() []encoding {
	return []encoding{encodingAuto, encodingUTF8, encodingLE, encodingBE, encodingLatin}
}

func (e encoding) valid() bool {
	_, ok := encodingOf(e.code())
	return ok
}

// code returns the encoding's place in a cursor.
func (e encoding) code() byte {
	for i, have := range encodings() {
		if have == e {
			return byte(i)
		}
	}
	return 0xff
}

func encodingOf(code byte) (encoding, bool) {
	if int(code) >= len(encodings()) {
		return "", false
	}
	return encodings()[code], true
}

// reader decodes r, from behind the byte-order mark, to UTF-8.
func (e encoding) reader(r io.Reader) io.Reader {
	switch e {
	case encodingLE:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Reader(r)
	case encodingBE:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder().Reader(r)
	case encodingLatin:
		return charmap.Windows1252.NewDecoder().Reader(r)
	default:
		return r
	}
}

// findEncoding finds how a text is encoded from its beginning, and the length
// of its byte-order mark. The mark decides; without one, given does unless it
// is auto.
func findEncoding(head []byte, given encoding) (found encoding, mark int) {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return encodingUTF8, 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return encodingLE, 2
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return encodingBE, 2
	case given != encodingAuto:
		return given, 0
	}
	if e, ok := findUTF16(head); ok {
		return e, 0
	}
	whole, broken := countUTF8(head)
	if broken > whole {
		return encodingLatin, 0
	}
	return encodingUTF8, 0
}

// findUTF16 recognises UTF-16 without a mark: the header line and most of the
// values are ASCII, so every other byte is zero.
func findUTF16(head []byte) (encoding, bool) {
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	most := len(head) / 2
	switch {
	case most == 0:
	case zeros[1] > most/2 && zeros[0] < most/10+1:
		return encodingLE, true
	case zeros[0] > most/2 && zeros[1] < most/10+1:
		return encodingBE, true
	}
	return "", false
}

// countUTF8 counts the characters beyond ASCII that are whole and the bytes
// that belong to none. A character cut off by the end counts as neither. One
// broken name in a UTF-8 file must not turn every accent of the file into two
// wrong letters, so the majority decides.
func countUTF8(head []byte) (whole, broken int) {
	for len(head) > 0 {
		if head[0] < utf8.RuneSelf {
			head = head[1:]
			continue
		}
		if !utf8.FullRune(head) {
			return whole, broken
		}
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			broken++
		} else {
			whole++
		}
		head = head[n:]
	}
	return whole, broken
}
