package htpasswd

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // what existing files have; nothing else is made with it
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"

	"github.com/go-crypt/x/crypt"
	"golang.org/x/crypto/bcrypt"
)

// Verify tells whether a password is the one. It takes the time of the slowest hash of its list, whatever the
// password, and allocates for slow schemes only.
func (h Hash) Verify(password []byte) bool {
	good := h.verify(password)
	switch {
	case h.beside == nil:
	case h.scheme == bcrypted: // a step more of the cost is twice the work
		for range 1<<(h.beside.work-h.work) - 1 {
			h.verify(password)
		}
	default:
		h.beside.verify(password)
	}
	return good
}

func (h Hash) verify(password []byte) bool {
	switch h.scheme {
	case bcrypted:
		return bcrypt.CompareHashAndPassword([]byte(h.text), bytes.Clone(password)) == nil
	case sha256Crypt:
		return same(string(crypt.KeySHACrypt(sha256.New, bytes.Clone(password), []byte(h.salt), h.work)), h.text)
	case sha512Crypt:
		return same(string(crypt.KeySHACrypt(sha512.New, bytes.Clone(password), []byte(h.salt), h.work)), h.text)
	case apr1:
		return same(md5Sum(bytes.Clone(password), "$apr1$", h.salt), h.text)
	case md5Crypt:
		return same(md5Sum(bytes.Clone(password), "$1$", h.salt), h.text)
	case sha:
		var room [1200]byte
		sum := sha1.Sum(append(append(room[:0], password...), h.salt...)) //nolint:gosec // see above
		return subtle.ConstantTimeCompare(sum[:], []byte(h.text)) == 1
	case plain:
		return subtle.ConstantTimeCompare(password, []byte(h.text)) == 1
	}
	return false
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// md5Sum is crypt(3) with MD5: a thousand rounds over password and salt, written in an alphabet of its own.
func md5Sum(password []byte, magic, salt string) string {
	first := md5.New() //nolint:gosec // see above
	first.Write(password)
	first.Write([]byte(salt))
	first.Write(password)
	alt := first.Sum(nil)
	d := md5.New() //nolint:gosec // see above
	d.Write(password)
	d.Write([]byte(magic + salt))
	for left := len(password); left > 0; left -= md5.Size {
		d.Write(alt[:min(left, md5.Size)])
	}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			d.Write([]byte{0})
		} else {
			d.Write(password[:1])
		}
	}
	sum := d.Sum(nil)
	for i := range 1000 {
		d.Reset()
		parts := [2][]byte{sum, password}
		d.Write(parts[i&1])
		if i%3 != 0 {
			d.Write([]byte(salt))
		}
		if i%7 != 0 {
			d.Write(password)
		}
		d.Write(parts[1-i&1])
		sum = d.Sum(sum[:0])
	}
	return md5Text(sum)
}

// md5Text writes three bytes of the sum as four letters, in an order of its own.
func md5Text(sum []byte) string {
	const letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out []byte
	put := func(v uint32, n int) {
		for range n {
			out = append(out, letters[v&63])
			v >>= 6
		}
	}
	for i := range 5 {
		last := i + 12
		if i == 4 {
			last = 5
		}
		put(uint32(sum[i])<<16|uint32(sum[i+6])<<8|uint32(sum[last]), 4)
	}
	put(uint32(sum[11]), 2)
	return string(out)
}
