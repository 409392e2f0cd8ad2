package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tickets holds the keys of session tickets (RFC 8446 section 4.6.1, RFC 5077). All listeners of a process share one, and all
// processes of a configuration may share the keys: a session is resumed wherever the client comes back to. What may be
// resumed is decided by what the ticket carries, see identity, and not by who made it.
type Tickets struct {
	every time.Duration
	keep  int
	now   func() time.Time

	mu    sync.RWMutex
	vault *tls.Config // its ticket keys are those below; it serves nobody
	keys  []ticketKey // the first one encrypts
	given bool        // they came from outside and are not rotated here
}

type ticketKey struct {
	bytes [32]byte
	made  time.Time
}

// TicketConfig says how keys are rotated. Every zero field has a default.
type TicketConfig struct {
	Every time.Duration    // how long a key encrypts; default 12 h
	Keep  int              // keys that are known at a time, the one that encrypts included; default 2
	Now   func() time.Time // default time.Now
}

// NewTickets returns tickets with a key of their own, which the next one follows in time.
func NewTickets(c TicketConfig) *Tickets {
	if c.Every <= 0 {
		c.Every = 12 * time.Hour
	}
	if c.Keep <= 0 {
		c.Keep = 2
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	t := &Tickets{every: c.Every, keep: c.Keep, now: c.Now, vault: &tls.Config{}}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rotate(t.now())
	return t
}

// rotate makes a new key and drops those that are over: each is known for Keep times as long as it encrypts. The lock
// is held.
func (t *Tickets) rotate(now time.Time) {
	next := []ticketKey{{made: now}}
	_, _ = rand.Read(next[0].bytes[:]) // it never fails: crypto/rand ends the process first
	for _, k := range t.keys {
		if len(next) < t.keep && now.Sub(k.made) < t.every*time.Duration(t.keep) {
			next = append(next, k)
		}
	}
	t.set(next)
}

// set makes keys those in force. The lock is held.
func (t *Tickets) set(keys []ticketKey) {
	t.keys = keys
	all := make([][32]byte, len(keys))
	for i := range keys {
		all[i] = keys[i].bytes
	}
	t.vault.SetSessionTicketKeys(all)
}

// Use takes keys from outside in place of its own: the first encrypts, all decrypt. From then on they change when Use is
// called again and not by time.
func (t *Tickets) Use(keys [][32]byte) {
	if len(keys) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = true
	all := make([]ticketKey, len(keys))
	for i, k := range keys {
		all[i].bytes = k
	}
	t.set(all)
}

// fresh rotates when it is time.
func (t *Tickets) fresh() {
	now := t.now()
	t.mu.RLock()
	due := !t.given && now.Sub(t.keys[0].made) >= t.every
	t.mu.RUnlock()
	if !due {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.given && now.Sub(t.keys[0].made) >= t.every {
		t.rotate(now)
	}
}

// maxTicketKeys bounds the keys of a file: each ticket that fits none is tried with all.
const maxTicketKeys = 16

// ParseTicketKeys reads keys from a text: one of 32 bytes in each line, in base64 or hexadecimal; empty lines and those that
// begin with # are passed over. Errors name the line and never show what is in it.
func ParseTicketKeys(text []byte) ([][32]byte, error) {
	var out [][32]byte
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		b, err := hex.DecodeString(line)
		if err != nil || len(b) != 32 {
			b, err = base64.StdEncoding.DecodeString(line)
		}
		if err != nil || len(b) != 32 {
			return nil, fmt.Errorf("certs: read ticket keys: line %d is not 32 bytes in base64 or hexadecimal", i+1)
		}
		out = append(out, [32]byte(b))
	}
	switch {
	case len(out) == 0:
		return nil, errors.New("certs: read ticket keys: there is no key")
	case len(out) > maxTicketKeys:
		return nil, fmt.Errorf("certs: read ticket keys: there are %d keys, at most %d are useful", len(out), maxTicketKeys)
	}
	return out, nil
}

// identity is what a session belongs to: server name, certificate chain and client rules. A ticket of another identity is
// no ticket: the handshake is a full one. So a session of one host never opens another that asks for a client certificate;
// nor does one from before a change of the certificate, or of the CAs of clients.
func identity(name string, cert *parsed, r *rules) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("paifang session 1\x00"))
	h.Write(cert.digest[:])
	h.Write(r.digest[:])
	h.Write([]byte(name))
	return [sha256.Size]byte(h.Sum(nil))
}

// provenFor is how long a client's proof that it has the key of its certificate counts, over any number of resumptions:
// each session that is resumed is given a new ticket, which must not make it last for ever.
const provenFor = 24 * time.Hour

// stampMark begins our entry in the extra data of a ticket.
const stampMark = "paifang"

// stamp is that entry: whose session it is, when the ticket was made, and since when its client's certificate is proven, 0 = none
// was shown.
type stamp struct {
	identity [sha256.Size]byte
	proven   int64 // Unix seconds
	made     int64 // Unix seconds
}

func (s stamp) bytes() []byte {
	b := binary.BigEndian.AppendUint64(append([]byte(stampMark), s.identity[:]...), uint64(s.proven))
	return binary.BigEndian.AppendUint64(b, uint64(s.made))
}

// readStamp finds our entry.
func readStamp(extra [][]byte) (s stamp, ok bool) {
	for _, e := range extra {
		rest, found := bytes.CutPrefix(e, []byte(stampMark))
		if found && len(rest) == sha256.Size+16 {
			s.identity = [sha256.Size]byte(rest)
			s.proven = int64(binary.BigEndian.Uint64(rest[sha256.Size:]))
			s.made = int64(binary.BigEndian.Uint64(rest[sha256.Size+8:]))
			return s, true
		}
	}
	return s, false
}

// wrap makes a ticket.
func (t *Tickets) wrap(cs tls.ConnectionState, ss *tls.SessionState, s stamp) ([]byte, error) {
	t.fresh()
	ss.Extra = append(ss.Extra, s.bytes())
	return t.vault.EncryptTicket(cs, ss)
}

// unwrap reads a ticket; nil is one that is none of ours.
func (t *Tickets) unwrap(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, stamp) {
	t.fresh()
	ss, err := t.vault.DecryptTicket(ticket, cs)
	if err != nil || ss == nil {
		return nil, stamp{}
	}
	s, ok := readStamp(ss.Extra)
	if !ok {
		return nil, stamp{}
	}
	return ss, s
}

// Holds tells whether tickets that were made with a key can be read: for tests of those who bring keys.
func (t *Tickets) Holds(key [32]byte) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.ContainsFunc(t.keys, func(k ticketKey) bool { return k.bytes == key })
}
