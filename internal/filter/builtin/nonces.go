package builtin

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// nonces issues nonces and sees to it that each answer to one is given once. Nothing is kept of a nonce until it is answered by
// somebody who knows a password: whoever only asks costs no memory.
type nonces struct {
	secret [sha256.Size]byte // a nonce of another process is one that is too old
	spent  *keyed[spentNonce]
	floors [keyedShards]int64 // nonces of this time, in milliseconds, and before it were forgotten; each belongs to a shard, and is guarded by its lock
}

// spentNonce is how far the counts of a nonce have come.
type spentNonce struct {
	born int64
	high uint32 // the highest that was used
	seen uint64 // bit n: high-n was used
}

// A nonce has the time of its issue in milliseconds, some chance, and a sum over both with the secret.
const (
	nonceTime   = 6
	nonceChance = 6
	nonceSum    = 12
	nonceSize   = nonceTime + nonceChance + nonceSum
	nonceText   = nonceSize / 3 * 4
)

// spentNonces is how many nonces are in use at the same time, in all of the process; where there are more, clients of the one that
// was not used for the longest time answer a new one.
const spentNonces = 1 << 15

// countsBehind is how far counts may come out of order, as those of requests do that are sent at the same time.
const countsBehind = 64

func newNonces() (*nonces, error) {
	n := &nonces{spent: newKeyed[spentNonce](spentNonces)}
	if _, err := rand.Read(n.secret[:]); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return n, nil
}

// Close is for filter.Shared: there is nothing to end.
func (n *nonces) Close() error { return nil }

// sum keeps others from making nonces. What is summed has one length, and half of the sum is kept to ourselves, so that nobody can go
// on from it.
func (n *nonces) sum(head []byte) (out [nonceSum]byte) {
	var room [sha256.Size + nonceTime + nonceChance]byte
	sum := sha256.Sum256(append(append(room[:0], n.secret[:]...), head...))
	copy(out[:], sum[:])
	return out
}

// issue writes a new nonce into room.
func (n *nonces) issue(now time.Time, room *[nonceText]byte) []byte {
	var raw [nonceSize]byte
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(raw[:], ms[8-nonceTime:])
	_, _ = rand.Read(raw[nonceTime : nonceTime+nonceChance]) // it never fails
	sum := n.sum(raw[:nonceTime+nonceChance])
	copy(raw[nonceTime+nonceChance:], sum[:])
	base64.RawURLEncoding.Encode(room[:], raw[:])
	return room[:]
}

// spend takes one count of a nonce, and tells whether that was still to be had: the nonce is one of ours, not older than it may be, and
// this count of it, or one so far ahead of it that it is out of sight, was not used.
func (n *nonces) spend(text string, count uint32, now time.Time, lifetime time.Duration) bool {
	var raw [nonceSize]byte
	if len(text) != nonceText {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(raw[:], []byte(text)); err != nil {
		return false
	}
	head := raw[:nonceTime+nonceChance]
	if sum := n.sum(head); subtle.ConstantTimeCompare(sum[:], raw[nonceTime+nonceChance:]) != 1 {
		return false
	}
	var ms [8]byte
	copy(ms[8-nonceTime:], raw[:nonceTime])
	born := int64(binary.BigEndian.Uint64(ms[:]))
	if age := now.UnixMilli() - born; age < 0 || age > lifetime.Milliseconds() {
		return false
	}
	id := key{kind: 5}
	copy(id.id[:], head)
	s, shard := n.spent.lock(id)
	defer s.Unlock()
	if _, known := s.index[id]; !known {
		if born <= n.floors[shard] {
			return false // it may have been used, and forgotten
		}
		if len(s.entries) == s.most {
			n.floors[shard] = max(n.floors[shard], s.entries[s.last].value.born)
		}
	}
	at, _ := s.take(id)
	v := &s.entries[at].value
	v.born = born
	return v.use(count)
}

// use takes a count.
func (v *spentNonce) use(count uint32) bool {
	if count > v.high {
		v.seen = v.seen<<(count-v.high) | 1
		v.high = count
		return true
	}
	bit := uint64(1) << (v.high - count)
	if v.high-count >= countsBehind || v.seen&bit != 0 {
		return false
	}
	v.seen |= bit
	return true
}
