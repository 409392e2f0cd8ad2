package fastcgi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Record types (section 8 of the specification).
const (
	beginRequest = 1
	endRequest   = 3
	params       = 4
	stdin        = 5
	stdout       = 6
	stderr       = 7
)

const (
	version    = 1
	requestID  = 1
	headerSize = 8
	mostInOne  = 65528 // bytes of a record's content, at most 65535: this needs no padding

	roleResponder = 1
)

// Ends of a request (section 5.5): its protocol status.
const (
	requestComplete = 0
	overloaded      = 2
)

// appendRecord appends one record (section 3.3).
func appendRecord(b []byte, kind byte, content []byte) []byte {
	b = append(b, version, kind, 0, requestID, byte(len(content)>>8), byte(len(content)), 0, 0)
	return append(b, content...)
}

// appendStream appends records of a stream, which a record without content ends.
func appendStream(b []byte, kind byte, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), mostInOne)
		b = appendRecord(b, kind, content[:n])
		content = content[n:]
	}
	return b
}

// appendBegin begins a request whose connection the responder closes when it is done (section 5.1).
func appendBegin(b []byte) []byte {
	return appendRecord(b, beginRequest, []byte{0, roleResponder, 0, 0, 0, 0, 0, 0})
}

// appendPair appends a name with its value (section 3.4).
func appendPair(b []byte, name, value string) []byte {
	for _, n := range [...]int{len(name), len(value)} {
		if n < 128 {
			b = append(b, byte(n))
		} else {
			b = binary.BigEndian.AppendUint32(b, uint32(n)|1<<31)
		}
	}
	return append(append(b, name...), value...)
}

// readRecord reads one record into a buffer that it may make larger, and returns its type, its request and its content.
func readRecord(r io.Reader, buffer *[]byte) (kind byte, id uint16, content []byte, err error) {
	var h [headerSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, nil, err
	}
	if h[0] != version {
		return 0, 0, nil, fmt.Errorf("fastcgi: a record of version %d: want 1", h[0])
	}
	size, padding := int(binary.BigEndian.Uint16(h[4:])), int(h[6])
	if cap(*buffer) < size+padding {
		*buffer = make([]byte, size+padding)
	}
	all := (*buffer)[:size+padding]
	if _, err := io.ReadFull(r, all); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, 0, nil, err
	}
	return h[1], binary.BigEndian.Uint16(h[2:]), all[:size], nil
}
