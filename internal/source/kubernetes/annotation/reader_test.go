package annotation

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

func TestTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	aliases := 0
	for _, a := range Table() {
		for _, n := range []string{a.Name, a.Alias} {
			if n == "" {
				continue
			}
			if seen[n] {
				t.Errorf("%s is there twice", n)
			}
			seen[n] = true
		}
		if a.Alias != "" {
			aliases++
		}
		if (a.Note == "") != (a.Verdict == Supported) {
			t.Errorf("%s is %s, and its note is %q", a.Name, a.Verdict, a.Note)
		}
		if (a.Verdict == Supported || a.Verdict == Differs) && a.read == nil {
			t.Errorf("%s is %s, and nobody reads it", a.Name, a.Verdict)
		}
	}
	if len(seen)-aliases != 136 || aliases != 2 {
		t.Errorf("%d annotations and %d aliases, want 136 and 2", len(seen)-aliases, aliases)
	}
}

func TestPrefix(t *testing.T) {
	r := NewReader("example.com", Settings{})
	_, found := r.Read(map[string]string{"example.com/use-regx": "true", "nginx.ingress.kubernetes.io/use-regex": "true", "example.com/limit-whitelist": "10.0.0.0/8", "other": ""})
	if len(found) != 2 || found[1].Key != "example.com/use-regx" || found[1].Verdict != Unknown || found[0].Verdict == Unknown {
		t.Errorf("%+v", found)
	}
	if r.Has(map[string]string{"nginx.ingress.kubernetes.io/use-regex": ""}) || !r.Has(map[string]string{"example.com/x": ""}) {
		t.Error("another prefix is taken for ours")
	}
}

// TestEmptyValues: an annotation without a value is as good as none, as under ingress-nginx, but for lists of addresses by their own names.
func TestEmptyValues(t *testing.T) {
	r := NewReader("", Defaults())
	plain, _ := r.Read(map[string]string{r.prefix + "enable-cors": "true"})
	for _, name := range r.Names() {
		s, found := r.Read(map[string]string{r.prefix + name: "", r.prefix + "enable-cors": "true"})
		closes := name == "allowlist-source-range" || name == "denylist-source-range"
		if closes != (s.Denied == name) {
			t.Errorf("%s: denied %q", name, s.Denied)
		}
		if name == "enable-cors" || closes {
			continue
		}
		if !reflect.DeepEqual(s, plain) || found[slices.IndexFunc(found, func(f Finding) bool { return f.Key == r.prefix+name })].Verdict != Ignored {
			t.Errorf("%s: it acts: %+v", name, found)
		}
	}
	all := NewDefaultsReader()
	if s, found := all.Read(map[string]string{all.prefix + "custom-http-errors": ""}); found[0].Verdict != Supported || len(s.Errors.Statuses) > 0 {
		t.Errorf("of the installation it is the default: %+v", found)
	}
	s, _ := r.Read(map[string]string{r.prefix + "allowlist-source-range": "", r.prefix + "whitelist-source-range": "10.0.0.0/8"})
	if s.Denied != "" || len(s.Limits.Allow) != 1 {
		t.Errorf("the other name does not count: %+v", s.Limits)
	}
}

// FuzzRead: no value stops the reader, each annotation has its finding, and what is said of it is one line.
func FuzzRead(f *testing.F) {
	r := NewReader("", Settings{})
	names := slices.Sorted(maps.Keys(r.rows))
	for i := range names {
		for _, v := range []string{"true", "10m", "/$1", "https://a.test/$request_uri", "Header", "a,b", "-1", "on"} {
			f.Add(i, v, (i+1)%len(names), "x")
		}
	}
	f.Fuzz(func(t *testing.T, i int, v string, j int, w string) {
		in := map[string]string{r.prefix + names[abs(i)%len(names)]: v, r.prefix + names[abs(j)%len(names)]: w}
		_, found := r.Read(in)
		if len(found) != len(in) {
			t.Fatalf("%d findings for %d annotations", len(found), len(in))
		}
		for _, f := range found {
			if f.Verdict == "" || f.Verdict != Supported && f.Message == "" || strings.ContainsAny(f.Message, "\n\r") {
				t.Errorf("%+v", f)
			}
		}
	})
}

func abs(i int) int { return max(i, -(i + 1)) }

// TestTracesBesideEnable: trust and name are read beside enable-opentelemetry alone, as under ingress-nginx.
func TestTracesBesideEnable(t *testing.T) {
	r := NewReader("", Defaults())
	in := map[string]string{r.prefix + "opentelemetry-trust-incoming-span": "false", r.prefix + "opentelemetry-operation-name": "checkout"}
	if s, found := r.Read(in); s.Traces != (model.RouteTracing{}) || found[0].Verdict != Ignored || found[1].Verdict != Ignored {
		t.Errorf("%+v %+v", s.Traces, found)
	}
	in[r.prefix+"enable-opentelemetry"] = "true"
	in[r.prefix+"opentelemetry-operation-name"] = "$uri"
	if s, found := r.Read(in); s.Traces != (model.RouteTracing{Spans: model.SpansOn, Incoming: model.IncomingIgnore}) || found[1].Verdict != Invalid {
		t.Errorf("%+v %+v", s.Traces, found)
	}
}
