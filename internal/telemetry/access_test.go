package telemetry

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestJSONLine(t *testing.T) {
	want := `{"time":"2026-01-01T00:00:00.123Z","listener":"node-1/http","node":"node-1","peer":"127.0.0.98:4711","client":"127.0.0.99","method":"GET",` +
		`"host":"shop.test","path":"/a","query":"x=1&accessToken=***","protocol":"HTTP/1.1","status":502,"reason":"upstream-reset",` +
		`"route":"ingress/shop/web","upstream":"u","endpoint":"127.1.1.2:8080","pod":"order-a","tries":2,"resent":1,"in":3,"out":4,"connectMs":1.500,` +
		`"firstByteMs":2.000,"totalMs":12.345,"requestId":"abc","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","userAgent":"curl \"x\"","referer":"http://***@a.test/?token=***","version":7}` + "\n"
	if got := line(JSON, record("/a")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := line(JSON, &Access{Time: time.Unix(0, 0)}); got != `{"time":"1970-01-01T00:00:00.000Z","status":0}`+"\n" {
		t.Errorf("empty: %s", got)
	}
	// A request that was not understood has no path: its target stands there, without secrets.
	if got := line(JSON, &Access{Target: "http://u:p@x/a?token=t", Status: 400}); !strings.Contains(got, `"path":"http://***@x/a?token=***","status":400`) {
		t.Errorf("not understood: %s", got)
	}
}

func TestCombinedLine(t *testing.T) {
	a := record("/a")
	a.Time = time.Date(2026, 1, 2, 15, 4, 5, 0, time.FixedZone("", 0)).Local()
	at := a.Time.Format("02/Jan/2006:15:04:05 -0700")
	a.UserAgent = "a\"b\\c\n\x7f\xc3é"
	want := `127.0.0.99 - - [` + at + `] "GET /a?x=1&accessToken=*** HTTP/1.1" 502 4 "http://***@a.test/?token=***" "a\x22b\x5Cc\x0A\x7F\xC3\xC3\xA9"` + "\n"
	if got := line(Combined, a); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := line(Combined, &Access{Time: a.Time, Status: 7}); got != "- - - ["+at+"] \"-\" 007 0 \"-\" \"-\"\n" {
		t.Errorf("empty: %s", got)
	}
}

// The time is formatted once a second: the stamp follows it, in both directions.
func TestStampFollowsTime(t *testing.T) {
	l := lines{secret: newSecrets(nil)}
	for _, ms := range []int64{1000, 1999, 2000, 1500, 0} {
		want := time.UnixMilli(ms).UTC().Format(`{"time":"2006-01-02T15:04:05.000Z"`)
		if got := string(l.append(nil, &Access{Time: time.UnixMilli(ms)})); !strings.HasPrefix(got, want) {
			t.Errorf("%d ms: %s", ms, got)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	s := newSecrets([]string{"Card_Number"})
	for _, c := range []struct{ url, want string }{
		{"/a", "/a"},
		{"/a?b=c&d=e", "/a?b=c&d=e"},
		{"/nacos/v1/ns/instance?serviceName=x&accessToken=abc", "/nacos/v1/ns/instance?serviceName=x&accessToken=***"},
		{"/?access_token=abc&x=1", "/?access_token=***&x=1"},
		{"/?ACCESSTOKEN=abc", "/?ACCESSTOKEN=***"},
		{"/?%61ccess%54oken=abc&x=1", "/?%61ccess%54oken=***&x=1"},
		{"/?accessToken%3Dabc&x=1", "/?accessToken%3D***&x=1"},
		{"/?accessToken=a=b=c", "/?accessToken=***"},
		{"/?password=a;x=1", "/?password=***;x=1"},
		{"/?X-Amz-Signature=abc&X-Amz-Credential=d%2Fe&x=1", "/?X-Amz-Signature=***&X-Amz-Credential=***&x=1"},
		{"/?client_secret=&x=1", "/?client_secret=***&x=1"},
		{"/?card-number=4111&y=2", "/?card-number=***&y=2"},
		{"/cb#access_token=abc&state=1", "/cb#access_token=***&state=1"},
		{"/cart;jsessionid=ABC?x=1", "/cart;jsessionid=***?x=1"},
		{"/login?next=%2Fa%3FaccessToken%3Dabc%26x%3D1&y=2", "/login?next=%2Fa%3FaccessToken%3D***%26x%3D1&y=2"},
		{"/login?next=/a?accessToken=abc&y=2", "/login?next=/a?accessToken=***&y=2"},
		{"https://user:secret@a.test/x?y=1", "https://***@a.test/x?y=1"},
		{"https://user:se@cret@a.test", "https://***@a.test"},
		{"/x?u=https://a@b/", "/x?u=https://a@b/"},
		{"/a=b?c", "/a=b?c"},
		{"?", "?"},
		{"%", "%"},
		{"/?pwd=%zz%", "/?pwd=***"},
	} {
		if got := string(s.hide(nil, c.url, false, appendJSON)); got != c.want {
			t.Errorf("%s is logged as %s, want %s", c.url, got, c.want)
		}
	}
	if got := string(s.hide(nil, "accessToken=abc&x=1", true, appendJSON)); got != "accessToken=***&x=1" {
		t.Errorf("a query alone is logged as %s", got)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("\x01", 60<<10)
	for _, f := range []Format{JSON, Combined} {
		got := line(f, &Access{Host: long, Target: long, UserAgent: long, Referer: long})
		if len(got) > 4*6*maxText+500 || f == JSON && !json.Valid([]byte(got)) {
			t.Errorf("format %v: %d bytes", f, len(got))
		}
	}
}

// TestDocumentationIsCurrent compares the fields that the page lists with those of a line, in their order.
func TestDocumentationIsCurrent(t *testing.T) {
	text, err := os.ReadFile("../../docs/access-log.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, written []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		told = append(told, m[1])
	}
	d := json.NewDecoder(strings.NewReader(line(JSON, record("/a"))))
	for name := true; ; {
		tok, err := d.Token()
		if err != nil {
			break
		}
		if tok == json.Delim('{') || tok == json.Delim('}') {
			continue
		}
		if name {
			written = append(written, tok.(string))
		}
		name = !name
	}
	if len(written) < 25 || !slices.Equal(told, written) {
		t.Errorf("docs/access-log.md lists %v, a line has %v", told, written)
	}
	for _, name := range []string{"pwd", "sig", "samlresponse", "accesskey", "sessid"} {
		if !strings.Contains(string(text), name) || !newSecrets(nil).isSecret(name) {
			t.Errorf("%s is not hidden, or not in docs/access-log.md", name)
		}
	}
}

// FuzzLine: whatever a client sends, a record is one line, of the form that its readers expect, and shows no secret.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c", "\r\n{\"x\":1}", "\x00\x7f\x1b[31m", "\xff\xc3", "牌坊", "\u2028\u0085", "\U0001f600",
		"/?a=b&accessToken=", "http://u:p@h/?%61ccesstoken%3d", "/a;%3btoken=", `" 200 0 "-" "-"`} {
		f.Add(s)
	}
	combined := regexp.MustCompile(`^- - - \[[^\]]+\] "[^"]*" 200 0 "[^"]*" "[^"]*"\n$`)
	f.Fuzz(func(t *testing.T, s string) {
		const secret = "QxZ7secretQxZ7"
		a := &Access{Method: s, Host: s, Path: s, Target: s + "?accessToken=" + secret + "&" + s, Protocol: s, Status: 200, Reason: s, UserAgent: s, Referer: s}
		object := line(JSON, a)
		var back map[string]any
		if err := json.Unmarshal([]byte(object), &back); err != nil || back["status"] != 200.0 {
			t.Fatalf("%q gives %q: %v", s, object, err)
		}
		if ua, _ := back["userAgent"].(string); utf8.ValidString(s) && ua != cut(s) && len(s) <= maxText {
			t.Fatalf("%q reads as %q", s, ua)
		}
		ncsa := line(Combined, a)
		if !combined.MatchString(ncsa) {
			t.Fatalf("%q gives %q", s, ncsa)
		}
		if len(s) < maxText/4 && (strings.Contains(object, secret) || strings.Contains(ncsa, secret)) {
			t.Fatalf("%q shows the secret: %q %q", s, object, ncsa)
		}
		for _, text := range []string{object, ncsa} {
			for _, r := range strings.TrimSuffix(text, "\n") {
				if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
					t.Fatalf("%q gives %q", s, text)
				}
			}
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c", "\r\n{\"x\":1}", "\x00\x7f\x1b", "\xff\xc3", "牌坊", "\u2028\u0085", "\U0001f600"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := AppendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil || back != strings.ToValidUTF8(back, "") {
			t.Fatalf("%q gives %q: %v", s, out, err)
		}
		if strings.ToValidUTF8(s, "") == s && back != s {
			t.Fatalf("%q reads as %q", s, back)
		}
		for _, r := range string(out) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
				t.Fatalf("%q gives %q", s, out)
			}
		}
	})
}
