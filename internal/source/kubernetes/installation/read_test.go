package installation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/source/kubernetes/annotation"
)

func TestTables(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if seen[k.Name] {
			t.Errorf("key %s is there twice", k.Name)
		}
		seen[k.Name] = true
		if k.Verdict == "" {
			t.Errorf("key %s has no verdict", k.Name)
		}
		if k.Verdict != annotation.Supported && k.Note == "" {
			t.Errorf("key %s is %s, and nobody is told why", k.Name, k.Verdict)
		}
	}
	if len(seen) < 192 {
		t.Errorf("%d keys, and ingress-nginx documents 192", len(seen))
	}
	seen = map[string]bool{}
	for _, f := range Table() {
		if seen[f.Name] {
			t.Errorf("flag %s is there twice", f.Name)
		}
		seen[f.Name] = true
		if (f.Verdict == annotation.Supported) != (f.read != nil) || f.Verdict != annotation.Supported && f.Note == "" {
			t.Errorf("flag %s: %s, note %q", f.Name, f.Verdict, f.Note)
		}
	}
}

// TestEmpty: a ConfigMap that says nothing changes nothing, and neither do the values that are the defaults.
func TestEmpty(t *testing.T) {
	got, found := Read(nil)
	if len(found) != 0 || got.Annotations.Proxy.Connect != 5*time.Second || got.Annotations.Buffers.BodySize != 1<<20 || !got.HSTS.On {
		t.Errorf("%+v, %v", got, found)
	}
}

func TestFindings(t *testing.T) {
	_, found := Read(map[string]string{"proxy-body-size": "many", "hsts": "maybe", "proxy-bodysize": "1m", "worker-processes": "4", "block-cidrs": "x"})
	want := map[string]annotation.Verdict{"proxy-body-size": annotation.Invalid, "hsts": annotation.Invalid, "proxy-bodysize": annotation.Unknown, "worker-processes": annotation.Ignored, "block-cidrs": annotation.Invalid}
	for _, f := range found {
		if want[f.Key] != f.Verdict {
			t.Errorf("%s: %s, want %s", f.Key, f.Verdict, want[f.Key])
		}
		delete(want, f.Key)
	}
	if len(want) > 0 {
		t.Errorf("nothing was said of %v", want)
	}
}

func TestArgs(t *testing.T) {
	f, found := Args([]string{"/nginx-ingress-controller", "--election-id", "leader", "-v=2", "--enable-metrics", "--update-status=false", "--configmap=$(POD_NAMESPACE)/c",
		"--tcp-services-configmap=$(OTHER)/c", "--ingress-class=inner", "--nonsense", "word"}, "ns")
	if f.Lease != "leader" || !f.NoStatus || f.ConfigMap != "ns/c" || f.TCP != "" || f.Class != "inner" || f.Controller != "k8s.io/ingress-nginx" {
		t.Errorf("%+v", f)
	}
	var said []string
	for _, x := range found {
		said = append(said, x.Key+" "+string(x.Verdict))
	}
	want := []string{"--election-id supported", "--v ignored", "--enable-metrics ignored", "--update-status supported", "--configmap supported",
		"--tcp-services-configmap invalid", "--ingress-class supported", "--nonsense unknown", "word unknown"}
	if !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}

func TestWebhookFlags(t *testing.T) {
	const pair = " --validating-webhook-certificate=/c --validating-webhook-key=/k"
	for _, c := range []struct {
		args, want string
		verdict    annotation.Verdict
	}{
		{"--validating-webhook=:8443" + pair, "[::]:8443", annotation.Supported},
		{"--validating-webhook=127.0.0.1:8443" + pair, "127.0.0.1:8443", annotation.Supported},
		{"--validating-webhook=8443" + pair, "invalid AddrPort", annotation.Invalid},
		{"--validating-webhook=:0" + pair, "invalid AddrPort", annotation.Invalid},
		{"--validating-webhook=:8443", "invalid AddrPort", annotation.Invalid},
		{"--validating-webhook=:8443 --validating-webhook=" + pair, "invalid AddrPort", annotation.Supported},
	} {
		f, found := Args(strings.Fields(c.args), "ns")
		if f.Webhook.String() != c.want || found[0].Verdict != c.verdict {
			t.Errorf("%s: %v, %+v", c.args, f.Webhook, found[0])
		}
	}
}

func TestStreams(t *testing.T) {
	for _, c := range []struct{ port, text, want string }{
		{"5432", "shop/db:5432", "shop/db:5432"},
		{"5432", "shop/db:postgres", "shop/db:postgres"},
		{"5432", "shop/db:5432:PROXY", "shop/db:5432 in"},
		{"5432", "shop/db:5432::proxy", "shop/db:5432 out"},
		{"5432", "shop/db:5432:PROXY:PROXY", "shop/db:5432 in out"},
		{"0", "shop/db:5432", "is not a port"},
		{"x", "shop/db:5432", "is not a port"},
		{"70000", "shop/db:5432", "is not a port"},
		{"1", "shop/db", "is not namespace/service:port"},
		{"1", "db:1", "is not namespace/service:port"},
		{"1", "shop/db:0", "is not a port"},
		{"1", "shop/db:1:HTTP", "is not PROXY"},
		{"1", "shop/db:1:PROXY:PROXY:PROXY", "is not namespace/service:port"},
	} {
		s := Streams(map[string]string{c.port: c.text}, true)[0]
		got := s.Fault
		if got == "" {
			got = s.Namespace + "/" + s.Service + ":" + s.PortText()
			if s.Decode {
				got += " in"
			}
			if s.Encode {
				got += " out"
			}
		}
		if !strings.HasSuffix(got, c.want) {
			t.Errorf("%q: %q is %q, want %q", c.port, c.text, got, c.want)
		}
	}
	if s := Streams(map[string]string{"53": "kube-system/dns:53:PROXY"}, false)[0]; s.Fault == "" {
		t.Error("the PROXY protocol with UDP")
	}
	if s := Streams(map[string]string{"53": "a/b:1", "053": "a/b:1"}, true); s[0].Fault != "" || s[1].Fault == "" {
		t.Errorf("one port twice: %+v", s)
	}
}

// FuzzRead: whatever stands in a ConfigMap, each key is said something of, and nothing that bounds is out of its bounds.
func FuzzRead(f *testing.F) {
	for _, k := range Keys() {
		f.Add(k.Name, k.Default)
	}
	f.Fuzz(func(t *testing.T, key, text string) {
		s, found := Read(map[string]string{key: text})
		if len(found) != 1 || found[0].Verdict == "" {
			t.Fatalf("%q: %q: %+v", key, text, found)
		}
		if s.RedirectCode < 301 || s.RedirectCode > 308 || s.StreamIdle < 100*time.Millisecond || s.StreamIdle > maxIdle || s.HSTS.MaxAge < 0 {
			t.Fatalf("%q: %q: %+v", key, text, s)
		}
		for _, x := range Streams(map[string]string{key: text}, true) {
			if x.Fault == "" && (x.Port == 0 || x.Namespace == "" || x.Service == "") {
				t.Fatalf("%q: %q: %+v", key, text, x)
			}
		}
	})
}

func FuzzArgs(f *testing.F) {
	f.Add("--configmap=$(POD_NAMESPACE)/c --election-ttl 20s -v 2 --publish-status-address=192.0.2.1,::1")
	f.Fuzz(func(t *testing.T, text string) {
		flags, found := Args(strings.Fields(text), "ns")
		if flags.LeaseTime != 0 && (flags.LeaseTime < 3*time.Second || flags.LeaseTime > time.Hour) {
			t.Fatalf("%q: %v", text, flags.LeaseTime)
		}
		for _, x := range found {
			if x.Verdict == "" || x.Key == "" {
				t.Fatalf("%q: %+v", text, x)
			}
		}
	})
}
