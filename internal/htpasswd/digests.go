package htpasswd

import (
	"encoding/hex"
	"strings"
)

// Digests are users with what htdigest writes of them: the MD5 sum of name, realm and password, which digest authentication
// goes by (RFC 7616, 3.4.2). Whoever has it can log in without the password. The zero value has none.
type Digests struct {
	sums   map[digestUser]string
	realms map[string]int // users of each
}

type digestUser struct{ realm, name string }

// ParseDigests reads lines of name:realm:sum. Empty lines and those that begin with # are skipped, and of several lines for one name
// of one realm the first counts.
func ParseDigests(text string) (Digests, []Problem) {
	var d Digests
	problems := eachLine(text, "name:realm:sum", d.Add)
	return d, problems
}

// Add adds a user with realm:sum, unless there is one of the name and realm. It returns why that cannot be used, or "".
func (d *Digests) Add(name, realmAndSum string) (why string) {
	realm, sum, ok := strings.Cut(realmAndSum, ":")
	sum, _, _ = strings.Cut(sum, ":") // what follows is a comment
	switch raw, err := hex.DecodeString(sum); {
	case !ok:
		return "has no realm:sum: make one with htdigest"
	case err != nil || len(raw) != 16:
		return "has a sum that is not one: make it with htdigest"
	}
	if d.sums == nil {
		d.sums, d.realms = map[digestUser]string{}, map[string]int{}
	}
	key := digestUser{realm, name}
	if _, taken := d.sums[key]; !taken {
		d.sums[key] = strings.ToLower(sum)
		d.realms[realm]++
	}
	return ""
}

// Len is the number of users of a realm.
func (d *Digests) Len(realm string) int { return d.realms[realm] }

// Find returns the sum of a user of a realm, as 32 hexadecimal digits. For one that does not exist it is one that nobody has, to
// be tried all the same.
func (d *Digests) Find(realm, name string) (sum string, known bool) {
	if sum, known = d.sums[digestUser{realm, name}]; known {
		return sum, true
	}
	return "d41d8cd98f00b204e9800998ecf8427e", false
}
