package annotation_test

import (
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"paifang/internal/certs/certstest"
)

// digestField is how a case says that the client answers a challenge: the user, the password, and what is otherwise than it is to be:
// NAME=VALUE of the answer, or twice, which has the same answer sent a second time.
const digestField = "Digest: "

// answered is a step whose client has been challenged, and answers.
func answered(c *testCase, s *step, addr func(scheme string) string, clients *tls.Config) (*step, error) {
	at := slices.IndexFunc(s.fields, func(f string) bool { return strings.HasPrefix(f, digestField) })
	if at < 0 {
		return s, nil
	}
	out := *s
	out.fields = slices.Delete(slices.Clone(s.fields), at, at+1)
	challenged, err := send(c, &out, addr, clients, nil)
	if err != nil {
		return nil, err
	}
	challenge := challenged.header.Get("WWW-Authenticate")
	if !strings.HasPrefix(challenge, "Digest ") {
		return &out, nil // nobody asks
	}
	words := strings.Fields(strings.TrimPrefix(s.fields[at], digestField))
	out.fields = append(out.fields, "Authorization: "+digestAnswer(challenge, s, words[0], words[1], words[2:]))
	if slices.Contains(words, "twice") {
		if _, err := send(c, &out, addr, clients, nil); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// digestAnswer answers a challenge (RFC 7616, 3.4.1).
func digestAnswer(challenge string, s *step, user, password string, changes []string) string {
	said := func(name string) string {
		_, rest, _ := strings.Cut(challenge, name+`="`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	_, rest, _ := strings.Cut(s.url, "://")
	_, path, _ := strings.Cut(rest, "/")
	part := map[string]string{"realm": said("realm"), "nonce": said("nonce"), "uri": "/" + path, "nc": "00000001"}
	for _, c := range changes {
		if name, value, ok := strings.Cut(c, "="); ok {
			part[name] = value
		}
	}
	sum := func(parts ...string) string {
		b := md5.Sum([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(b[:])
	}
	response := sum(sum(user, part["realm"], password), part["nonce"], part["nc"], "abc", "auth", sum(s.method, part["uri"]))
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", qop=auth, nc=%s, cnonce="abc", response="%s"`,
		user, part["realm"], part["nonce"], part["uri"], part["nc"], response)
}

// TestDigestByCurl has a client that is not ours log in: with one nonce for several requests, over HTTP/1.1 and HTTP/2.
func TestDigestByCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed (Debian: apt-get install curl)")
	}
	ca := certstest.New(t, "test CA", nil)
	all, err := parseCases("curl", `== curl: it
ingress web shop.test
  auth-type: digest
  auth-secret: users
  auth-realm: the shop
  ssl-redirect: false
  path Prefix / order
  tls
yaml
apiVersion: v1
kind: Secret
metadata:
  name: users
  namespace: shop
stringData:
  auth: "ann:the shop:4eae299c18bfe2d51a80bd0a5c30eeed\n"
end
`)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStand(t, ca, &all[0])
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	run := func(password string, more ...string) string {
		t.Helper()
		args := append([]string{"--silent", "--show-error", "--insecure", "--max-time", "20", "--digest", "--user", "ann:" + password, "--write-out", "%{http_code}\n", "--output", "/dev/null"}, more...)
		out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Join(strings.Fields(string(out)), " ")
	}
	place := func(scheme string) string { // the name of the host is the one that TLS is asked for
		_, port, _ := strings.Cut(s.at(scheme), ":")
		return scheme + "://shop.test:" + port
	}
	clear, secure := place("http"), place("https")
	for _, c := range []struct {
		password, want string
		args           []string
	}{
		{"secret", "200", []string{clear + "/a?b=c%20d"}},
		{"wrong", "401", []string{clear + "/a?b=c%20d"}},
		{"secret", "200 200 200", []string{clear + "/a", "--output", "/dev/null", clear + "/b?x=1", "--output", "/dev/null", clear + "/c"}},
		{"secret", "200", []string{"--data", "a body", clear + "/a"}},
		{"secret", "200 200", []string{"--http2", secure + "/a", "--output", "/dev/null", secure + "/b"}},
	} {
		if got := run(c.password, append([]string{"--connect-to", "::127.0.0.1:"}, c.args...)...); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.password, c.args, got, c.want)
		}
	}
	b := s.recs["order"]
	if r, _ := b.last(); r == nil || r.Header.Get("Authorization") != "" {
		t.Error("what the client has shown is sent on")
	}
	if n := b.asked(); n != 7 {
		t.Errorf("the endpoint was asked %d times", n)
	}
}
