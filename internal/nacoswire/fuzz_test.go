package nacoswire

import (
	"net/url"
	"testing"
)

func FuzzListening(f *testing.F) {
	f.Add("a\x02g\x02md5\x01b\x02g\x02\x02dev\x01")
	f.Add("\x01\x01")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseListening(s)
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d, %v", len(list), err)
		}
		var refs []ConfigRef
		for _, one := range list {
			refs = append(refs, one.ConfigRef)
		}
		if len(refs) == 0 {
			return
		}
		// What a client listens to and what it is told of have one form but for the MD5.
		if _, err := url.QueryUnescape(ChangedText(refs)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzAck(f *testing.F) {
	f.Add([]byte(`{"type":"push-ack","lastRefTime":"17","data":""}`))
	f.Add([]byte(`{"type":"push-ack","lastRefTime":17}`))
	f.Fuzz(func(_ *testing.T, b []byte) { ParseAck(b) })
}

func FuzzServiceKeyAndPattern(f *testing.F) {
	f.Add("public@@g@@order", "public>>g>>ord*")
	f.Add("a@@b", "*>>*>>**")
	f.Fuzz(func(t *testing.T, key, pattern string) {
		if ns, group, service, ok := ParseServiceKey(key); ok && ServiceKey(ns, group, service) != key {
			t.Fatalf("%q", key)
		}
		p, err := ParseFuzzyPattern(pattern)
		if err != nil {
			return
		}
		if q, err := ParseFuzzyPattern(p.String()); err != nil || q != p {
			t.Fatalf("%q, %v", pattern, err)
		}
		p.Match("public", "g", key)
	})
}

func TestAck(t *testing.T) {
	for text, want := range map[string]int64{
		`{"type":"push-ack","lastRefTime":"17","data":""}`: 17,
		`{"type":"push-ack","lastRefTime":18}`:             18,
		`{"type":"push-ack"}`:                              -1,
		`{"type":"dump-ack","lastRefTime":"17"}`:           -1,
		`x`:                                                -1,
	} {
		got, ok := ParseAck([]byte(text))
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%s: %d, %t", text, got, ok)
		}
	}
}

func TestFuzzyPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, service string
		want             bool
	}{
		{"public>>g>>order", "order", true}, {"public>>g>>order", "orders", false}, {"public>>g>>ord*", "order", true}, {"public>>g>>*der", "order", true},
		{"public>>g>>*rd*", "order", true}, {"public>>g>>*", "order", true}, {"public>>g>>*x*", "order", false}, {">>g>>*", "order", true},
		{"dev>>g>>*", "order", false}, {"public>>h*>>*", "order", false},
	} {
		p, err := ParseFuzzyPattern(c.pattern)
		if err != nil || p.Match("public", "g", c.service) != c.want {
			t.Errorf("%s and %s: %v", c.pattern, c.service, err)
		}
	}
	for _, bad := range []string{"", "a>>b", "a>>b>>c>>d", "a>>>>c"} {
		if _, err := ParseFuzzyPattern(bad); err == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
}
