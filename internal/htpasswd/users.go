// Package htpasswd reads lists of users and the hashes of their passwords, in the form that Apache's htpasswd writes and nginx
// reads, and verifies passwords against them. The lists of htdigest are read, too.
//
// Hashes are bcrypt ($2a$, $2b$, $2y$), SHA-2 as crypt(3) has it ($5$, $6$), salted MD5 in Apache's form ($apr1$) and the system's
// ($1$), SHA-1 ({SHA}, {SSHA}), and {PLAIN}. DES is not supported: its users cannot log in, and Parse says so.
package htpasswd

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Users are names and hashes. The zero value has none.
type Users struct {
	hashes map[string]Hash
	decoy  Hash // what a password of an unknown user is tried against, so that it takes as long
}

// Problem is a line that gives no user.
type Problem struct {
	Line int // from 1; 0: of a map, under User
	User string
	Why  string
}

// String never shows a hash.
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("user %q %s", p.User, p.Why)
	}
	if p.User == "" {
		return fmt.Sprintf("line %d %s", p.Line, p.Why)
	}
	return fmt.Sprintf("line %d: user %q %s", p.Line, p.User, p.Why)
}

// Parse reads lines of name:hash. Empty lines and those that begin with # are skipped, what stands behind a second colon is a
// comment, and of several lines for one name the first counts.
func Parse(text string) (Users, []Problem) {
	var u Users
	problems := eachLine(text, "name:hash", func(name, hash string) string {
		hash, _, _ = strings.Cut(hash, ":")
		return u.Add(name, hash)
	})
	return u, problems
}

// eachLine gives add the name and the rest of each line that has a user, and returns what is wrong with lines.
func eachLine(text, form string, add func(name, rest string) (why string)) []Problem {
	var problems []Problem
	line := 0
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimRight(l, "\r\n")
		if l == "" || l[0] == '#' {
			continue
		}
		name, rest, ok := strings.Cut(l, ":")
		if !ok || name == "" {
			problems = append(problems, Problem{Line: line, Why: "is not " + form})
			continue
		}
		if why := add(name, rest); why != "" {
			problems = append(problems, Problem{line, name, why})
		}
	}
	return problems
}

// Add adds a user, unless there is one of the name. It returns why the hash cannot be used, or "".
func (u *Users) Add(name, hash string) (why string) {
	h, why := parseHash(hash)
	if why != "" {
		return why
	}
	if u.hashes == nil {
		u.hashes = map[string]Hash{}
	}
	if _, taken := u.hashes[name]; taken {
		return ""
	}
	u.hashes[name] = h
	if u.decoy.cost() < h.cost() {
		u.decoy = h
	}
	return ""
}

// Len is the number of users.
func (u *Users) Len() int { return len(u.hashes) }

// Find returns the hash of a user. For one that does not exist it is that of somebody else, to be tried all the same: the one that takes
// longest of the list, which every other one takes as long as.
func (u *Users) Find(name []byte) (h Hash, known bool) {
	if h, known = u.hashes[string(name)]; !known {
		return u.decoy, false
	}
	if h.cost() < u.decoy.cost() && u.decoy.Slow() {
		h.beside = &u.decoy
	}
	return h, true
}

// Hash is the hash of one password.
type Hash struct {
	scheme scheme
	salt   string
	text   string // as it is written, or its bytes
	work   int    // of bcrypt its cost, of SHA-2 its rounds
	beside *Hash  // a slower one that is tried too, so that nobody can tell the two apart
}

// scheme is how a hash is made.
type scheme uint8

const (
	none scheme = iota
	plain
	sha
	md5Crypt
	apr1
	sha256Crypt
	sha512Crypt
	bcrypted
)

// cost orders hashes by how long they take.
func (h Hash) cost() int { return int(h.scheme)<<20 + h.work }

// Slow tells whether it takes so long to verify a password that the answer is worth keeping.
func (h Hash) Slow() bool { return h.scheme >= md5Crypt || h.beside != nil }

// Text identifies the hash among others. It must not be shown.
func (h Hash) Text() string { return h.text }

// maxCost bounds the work of one bcrypt hash: each step doubles it, and 14 takes about a second.
const maxCost = 14

func parseHash(s string) (h Hash, why string) {
	switch {
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		cost, err := bcrypt.Cost([]byte(s))
		if err != nil || len(s) != 60 {
			return h, "has a bcrypt hash that is not one"
		}
		if cost > maxCost {
			return h, fmt.Sprintf("has a bcrypt hash of cost %d, which takes too long: at most %d", cost, maxCost)
		}
		return Hash{scheme: bcrypted, text: s, work: cost}, ""
	case strings.HasPrefix(s, "$5$"), strings.HasPrefix(s, "$6$"):
		return parseSHA2(s)
	case strings.HasPrefix(s, "$apr1$"), strings.HasPrefix(s, "$1$"):
		magic, kind := "$apr1$", apr1
		if s[1] == '1' {
			magic, kind = "$1$", md5Crypt
		}
		salt, sum, ok := strings.Cut(s[len(magic):], "$")
		if !ok || len(sum) != 22 {
			return h, "has an MD5 hash that is not one"
		}
		return Hash{scheme: kind, salt: salt[:min(len(salt), 8)], text: sum}, ""
	case strings.HasPrefix(s, "{SHA}"), strings.HasPrefix(s, "{SSHA}"):
		_, b64, _ := strings.Cut(s, "}")
		raw, err := base64.StdEncoding.DecodeString(b64)
		salted := s[2] == 'S' && s[1] == 'S' && s[3] == 'H'
		if err != nil || len(raw) < sha1.Size || !salted && len(raw) > sha1.Size {
			return h, "has a SHA hash that is not one"
		}
		return Hash{scheme: sha, salt: string(raw[sha1.Size:]), text: string(raw[:sha1.Size])}, ""
	case strings.HasPrefix(s, "{PLAIN}"):
		return Hash{scheme: plain, text: s[len("{PLAIN}"):]}, ""
	case s == "":
		return h, "has no hash"
	}
	return h, "has a hash of a kind that is not supported: make one with htpasswd -B"
}

// The rounds of SHA-2 in crypt(3), which raises what is below the least. The most that are taken last about a second; there it is 999,999,999.
const (
	defaultRounds = 5_000
	leastRounds   = 1_000
	maxRounds     = 1_000_000
)

// parseSHA2 reads $5$ or $6$, then rounds=N$ where they are not the usual ones, the salt, and the sum.
func parseSHA2(s string) (h Hash, why string) {
	h, length := Hash{scheme: sha256Crypt, work: defaultRounds}, 43
	if s[1] == '6' {
		h.scheme, length = sha512Crypt, 86
	}
	rest := s[len("$5$"):]
	if after, given := strings.CutPrefix(rest, "rounds="); given {
		text, salted, _ := strings.Cut(after, "$")
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return Hash{}, "has a SHA-2 hash that is not one"
		}
		if n > maxRounds {
			return Hash{}, fmt.Sprintf("has a SHA-2 hash of %d rounds, which takes too long: at most %d", n, maxRounds)
		}
		h.work, rest = max(n, leastRounds), salted
	}
	var ok bool
	if h.salt, h.text, ok = strings.Cut(rest, "$"); !ok || len(h.text) != length {
		return Hash{}, "has a SHA-2 hash that is not one"
	}
	h.salt = h.salt[:min(len(h.salt), 16)]
	return h, ""
}
