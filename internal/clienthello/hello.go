// Package clienthello finds the server name in the first message of a TLS client while it comes in, without answering it
// (RFC 8446 section 4.1.2, RFC 6066 section 3). It knows no sockets and decides nothing.
package clienthello

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

// Bounds of what is read. Servers take messages of 64 KiB at most; a client that cuts one into records of a few bytes may
// spend as much again on their headers.
const (
	maxMessage = 64 << 10
	maxBytes   = 128 << 10
)

// What is no ClientHello, or none that a server would take. Whoever terminates TLS has the right alert for it.
var (
	errNotTLS    = errors.New("clienthello: it is no TLS")
	errMalformed = errors.New("clienthello: the message is malformed")
	errTooLong   = errors.New("clienthello: the message is too long")
)

const (
	recordHeader  = 5
	messageHeader = 4
	handshakeType = 22
	helloType     = 1
	nameExtension = 0
	hostName      = 0
)

// Reader takes a ClientHello in parts. The zero value has none.
type Reader struct {
	raw  []byte
	next int // of raw: where the record begins that is not whole yet
	got  int // bytes of the message in the records before
	head [messageHeader]byte
}

// Bytes are all that were taken, to be replayed. They are the Reader's own.
func (r *Reader) Bytes() []byte { return r.raw }

// Room is where the next read puts what it gets, at least 1 KiB; Take follows.
func (r *Reader) Room() []byte {
	if cap(r.raw)-len(r.raw) < 1<<10 {
		grown := make([]byte, len(r.raw), max(2<<10, 2*cap(r.raw)))
		copy(grown, r.raw)
		r.raw = grown
	}
	return r.raw[len(r.raw):cap(r.raw)]
}

// Take counts n bytes in that were read into Room. It returns whether the message is whole; an error means that none will
// come of it. Each byte is looked at once, however the message is cut.
func (r *Reader) Take(n int) (whole bool, err error) {
	r.raw = r.raw[:len(r.raw)+n]
	for {
		rest := r.raw[r.next:]
		if len(rest) > 0 && rest[0] != handshakeType || len(rest) > 1 && rest[1] != 3 {
			return false, errNotTLS
		}
		if len(rest) < recordHeader {
			return false, r.bounded()
		}
		size := int(binary.BigEndian.Uint16(rest[3:]))
		if size == 0 || size > 16<<10 {
			return false, errMalformed // RFC 8446 section 5.1
		}
		body := rest[recordHeader:]
		if len(body) < size {
			return false, r.bounded()
		}
		for i := 0; r.got+i < messageHeader && i < size; i++ {
			r.head[r.got+i] = body[i]
		}
		r.got += size
		r.next += recordHeader + size
		if r.head[0] != helloType {
			return false, errNotTLS
		}
		if r.got < messageHeader {
			continue
		}
		switch need := r.need(); {
		case need > maxMessage:
			return false, errTooLong
		case r.got >= need:
			return true, nil
		}
	}
}

func (r *Reader) need() int {
	return messageHeader + int(r.head[1])<<16 + int(r.head[2])<<8 + int(r.head[3])
}

func (r *Reader) bounded() error {
	if len(r.raw) >= maxBytes {
		return errTooLong
	}
	return nil
}

// ServerName is the name in a whole message, in lower case and without a trailing dot; "" where there is none, or an address,
// which is no name (RFC 6066 section 3). With Encrypted Client Hello it is the name of who decrypts it.
func (r *Reader) ServerName() (string, error) {
	message := make([]byte, 0, r.got)
	for at := 0; at < r.next; {
		size := int(binary.BigEndian.Uint16(r.raw[at+3:]))
		message = append(message, r.raw[at+recordHeader:at+recordHeader+size]...)
		at += recordHeader + size
	}
	m := reader(message[messageHeader:r.need()])
	m.skip(2 + 32) // version, random
	m.skip(m.uint8())
	m.skip(m.uint16())
	m.skip(m.uint8())
	if m == nil {
		return "", errMalformed
	}
	if len(m) == 0 {
		return "", nil // no extensions
	}
	extensions := m.part(m.uint16())
	if extensions == nil || len(m) > 0 {
		return "", errMalformed
	}
	for len(extensions) > 0 {
		kind := extensions.uint16()
		data := extensions.part(extensions.uint16())
		if extensions == nil {
			return "", errMalformed
		}
		if kind == nameExtension {
			return nameIn(data)
		}
	}
	return "", nil
}

// nameIn reads a ServerNameList. There is one name of each type at most.
func nameIn(data reader) (string, error) {
	list := data.part(data.uint16())
	if len(list) == 0 || len(data) > 0 {
		return "", errMalformed
	}
	for len(list) > 0 {
		kind := list.uint8()
		name := list.part(list.uint16())
		if list == nil {
			return "", errMalformed
		}
		if kind == hostName {
			return normal(string(name)), nil
		}
	}
	return "", nil
}

func normal(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	return name
}

// reader takes fields off its front. One that was too short is nil, and stays so.
type reader []byte

func (b *reader) part(n int) reader {
	if n < 0 || len(*b) < n || *b == nil {
		*b = nil
		return nil
	}
	out := (*b)[:n:n]
	*b = (*b)[n:]
	return out
}

func (b *reader) skip(n int) { b.part(n) }

// uint8 is -1 where there is none, and so is uint16.
func (b *reader) uint8() int {
	p := b.part(1)
	if p == nil {
		return -1
	}
	return int(p[0])
}

func (b *reader) uint16() int {
	p := b.part(2)
	if p == nil {
		return -1
	}
	return int(binary.BigEndian.Uint16(p))
}
