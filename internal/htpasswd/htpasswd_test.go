package htpasswd

import (
	"strings"
	"testing"
)

// The hashes are those of the tools: openssl passwd -apr1, -1, -5 and -6, and crypt(3) with bcrypt, rounds and long salts.
const file = `# users
bcrypt:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a
apr1:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0
md5:$1$ab$KmaUnA.l.kQcr/K/N8q./1
empty:$apr1$abc$BfqKdn9xFDWJPa3kcp/PH0
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
ssha:{SSHA}UgCJjM+VJJYduihDuk0aPpDtY9RzYWx0eQ==
plain:{PLAIN}secret:a comment
bcrypt:{PLAIN}other

des:rl0bFdFj2vGYk
short:$6$abc$x
endless:$6$rounds=900000000$saltsalt$WowrPBpEDVlCoruBosYlrZycTCx3//TyDHYqEhX9DUHHt0XTztUqzQDDUuvUGRA8aUe9p55hcAxeGcu58sm3u.
sha256:$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.
sha512:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.
rounds:$6$rounds=10000$saltsalt$WowrPBpEDVlCoruBosYlrZycTCx3//TyDHYqEhX9DUHHt0XTztUqzQDDUuvUGRA8aUe9p55hcAxeGcu58sm3u.
unsalted:$6$$2M9DchxW4txWyTYoZrH9D3VvAAQxBpEezYsLY6Cao.jwzEXpyL9xwip9hiUZX7GqTqe/E/z6iKvZqXUuqniQH.
long:$5$longersaltthan16xxx$AsU43Z0xs/Jvs8p0Bz6vgUwlG3W0Y8.SsuChso30V19
nothing512:$6$saltsalt$qkTgsCrWMTAS9gBGcf9W60sFfH.hU0oTCAOJjhbz5tSp/sU3/xXZK4OFwCtq8lIIdpJ6CatVdOTSHKp97TPkt/
broken:$2y$05$short
nothing:
line
`

func TestVerify(t *testing.T) {
	u, problems := Parse(file)
	for name, password := range map[string]string{
		"bcrypt": "secret", "apr1": "secret", "md5": "a password that is longer than sixteen bytes", "empty": "", "sha": "secret", "ssha": "secret", "plain": "secret",
		"sha256": "secret", "sha512": "secret", "rounds": "secret", "unsalted": "secret", "long": "secret", "nothing512": "",
	} {
		h, known := u.Find([]byte(name))
		if !known || !h.Verify([]byte(password)) {
			t.Errorf("%s: %q is not the password", name, password)
		}
		for _, wrong := range []string{password + "x", "other", "Secret"} {
			if h.Verify([]byte(wrong)) {
				t.Errorf("%s: %q is the password", name, wrong)
			}
		}
	}
	if u.Len() != 13 {
		t.Errorf("%d users", u.Len())
	}
	h, known := u.Find([]byte("nobody"))
	if known || !h.Slow() || h.scheme != bcrypted {
		t.Errorf("an unknown user is told faster than a known one: %v", h.scheme)
	}
	if len(problems) != 6 {
		t.Errorf("%v", problems)
	}
	for _, p := range problems {
		if s := p.String(); strings.Contains(s, "$") || strings.Contains(s, "rl0b") {
			t.Errorf("a hash is shown: %s", s)
		}
	}
}

// TestAsSlowAsOthers: whoever is in a list with a slow hash takes as long as an unknown user, whatever his own hash is.
func TestAsSlowAsOthers(t *testing.T) {
	const list = "sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nplain:{PLAIN}secret\n"
	fast, _ := Parse(list)
	if h, _ := fast.Find([]byte("sha")); h.Slow() {
		t.Error("in a list without slow hashes one is slow")
	}
	mixed, _ := Parse(list + "bcrypt:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\napr1:$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0\n")
	for _, name := range []string{"sha", "plain", "apr1"} {
		h, _ := mixed.Find([]byte(name))
		if !h.Slow() || h.beside == nil || h.beside.scheme != bcrypted {
			t.Errorf("%s is told by the time that it takes", name)
		}
		if !h.Verify([]byte("secret")) || h.Verify([]byte("wrong")) {
			t.Errorf("%s: the slow hash decides", name)
		}
	}
	mixed.Add("slower", "$2y$07$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a")
	h, _ := mixed.Find([]byte("bcrypt"))
	if h.beside == nil || h.beside.work-h.work != 2 || !h.Verify([]byte("secret")) {
		t.Error("a lesser cost is told by the time that it takes")
	}
	if nobody, known := mixed.Find([]byte("nobody")); known || nobody.work != 7 {
		t.Errorf("an unknown user costs %d", nobody.work)
	}
}

func TestNobody(t *testing.T) {
	var u Users
	if h, known := u.Find([]byte("a")); known || h.Verify(nil) || h.Slow() {
		t.Error("a list without users has one")
	}
	if why := u.Add("a", "$2y$31$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"); !strings.Contains(why, "too long") {
		t.Errorf("a hash that takes days is taken: %q", why)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(file)
	f.Fuzz(func(t *testing.T, text string) {
		u, problems := Parse(text)
		if lines := strings.Count(text, "\n") + 1; u.Len()+len(problems) > lines {
			t.Errorf("%d users and %d problems in %d lines", u.Len(), len(problems), lines)
		}
		if h, _ := u.Find([]byte("apr1")); h.scheme != bcrypted {
			h.Verify([]byte("x"))
		}
	})
}
