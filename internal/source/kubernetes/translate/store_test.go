package translate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	batchv1 "k8s.io/api/batch/v1"
	"pgregory.net/rapid"
	kjson "sigs.k8s.io/json"

	"paifang/internal/document"
	"paifang/internal/model"
)

// corpus is every object of the golden cases, each with one variant.
func corpus(t testing.TB) []Object {
	var out []Object
	for _, d := range documents(t) {
		if o, p, known := NewReader().Read(d); known && len(p) == 0 {
			out = append(out, o)
		}
	}
	return out
}

func documents(t testing.TB) []document.Document {
	t.Helper()
	var out []document.Document
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "groups" {
				continue
			}
			text := strings.NewReplacer("host: a.test", "host: b.test", "app: full", "app: web", "port: 80", "port: 8080",
				"ingressClassName: nginx", "ingressClassName: ours", "paifang.dev/controller", "x/y").Replace(string(f.Data))
			for _, variant := range []string{string(f.Data), text} {
				docs, _ := document.Split(f.Name, []byte(variant))
				out = append(out, docs...)
			}
		}
	}
	return out
}

// TestAnyOrderOfEventsEndsTheSame: whatever was put and deleted before, in whatever order and with whatever Changed in
// between, the groups are those of a fresh store with the same objects, and what Changed said adds up to them.
func TestAnyOrderOfEventsEndsTheSame(t *testing.T) {
	objects := corpus(t)
	if len(objects) < 40 {
		t.Fatalf("only %d objects", len(objects))
	}
	opt := Options{TakeUnclassed: true}
	rapid.Check(t, func(t *rapid.T) {
		s := New(opt)
		present := map[Key]Object{}
		heard := map[string]model.Objects{}
		listen := func() {
			for _, g := range s.Changed() {
				if g.Objects.Empty() {
					if _, had := heard[g.Key]; !had {
						t.Fatalf("%s was never there and is deleted", g.Key)
					}
					delete(heard, g.Key)
					continue
				}
				if reflect.DeepEqual(heard[g.Key], *g.Objects) {
					t.Fatalf("%s is said again without a change", g.Key)
				}
				heard[g.Key] = *g.Objects
			}
		}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			o := rapid.SampledFrom(objects).Draw(t, "object")
			k, _ := o.Key()
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				delete(present, k)
				s.Delete(k)
			case 1:
				listen()
			default:
				present[k] = o
				if err := s.Put(o); err != nil {
					t.Fatal(err)
				}
			}
		}
		listen()
		fresh := New(opt)
		for _, o := range present {
			if err := fresh.Put(o); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]model.Objects{}
		for _, g := range fresh.All() {
			want[g.Key] = *g.Objects
		}
		if !reflect.DeepEqual(heard, want) {
			for k := range want {
				if !reflect.DeepEqual(want[k], heard[k]) {
					t.Errorf("%s\n got %+v\nwant %+v", k, heard[k], want[k])
				}
			}
			t.Fatalf("heard %d groups, want %d", len(heard), len(want))
		}
		for k := range present {
			s.Delete(k)
		}
		listen()
		if len(heard) > 0 || len(s.groups) > 0 || len(s.readers) > 0 || len(s.index) > 0 {
			t.Fatalf("an empty store keeps %d groups, %d facts, %d index entries, and %d groups are heard of", len(s.groups), len(s.readers), len(s.index), len(heard))
		}
	})
}

func manifests(t testing.TB, s *Store, text string) []Key {
	t.Helper()
	return putAll(t, s, "f.yaml", []byte(text))
}

func changedKeys(s *Store) []string {
	var keys []string
	for _, g := range s.Changed() {
		keys = append(keys, g.Key)
	}
	return keys
}

const ingressTo = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s}
spec:
  rules:
    - host: %s
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}]}
`

// TestOnlyWhatDependsIsEmitted: the cost of a change is that of what depends on it.
func TestOnlyWhatDependsIsEmitted(t *testing.T) {
	s := New(Options{TakeUnclassed: true})
	for i := range 500 {
		manifests(t, s, fmt.Sprintf(ingressTo, fmt.Sprint("i", i), fmt.Sprintf("h%d.test", i), fmt.Sprint("s", i%50)))
	}
	if n := len(changedKeys(s)); n != 500 {
		t.Fatalf("%d groups", n)
	}
	service := func(name, port, label string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {selector: {app: %s}, ports: [{port: %s}]}\n", name, label, port)
	}
	pod := func(name, label string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {app: %s}}\nspec: {containers: [{name: c, image: i}]}\n", name, label)
	}
	check := func(what string, want ...string) {
		t.Helper()
		if got := changedKeys(s); !slices.Equal(got, want) {
			t.Errorf("%s: changed %q, want %q", what, got, want)
		}
	}
	manifests(t, s, service("s7", "80", "x"))
	var want []string
	for i := 7; i < 500; i += 50 {
		want = append(want, fmt.Sprintf("ingress/h%d.test/default/i%d", i, i))
	}
	slices.Sort(want)
	check("a service that ten Ingresses wait for", append(append([]string{"endpoints/default/s7"}, want...), "service/default/s7")...)
	manifests(t, s, pod("p", "x")+"---\n"+pod("q", "w"))
	check("two pods", "endpoints/default/s7", "workload/pod/default/p", "workload/pod/default/q")
	manifests(t, s, pod("p", "x"))
	check("the same again")
	manifests(t, s, pod("p", "z"))
	check("a label edited away", "endpoints/default/s7", "workload/pod/default/p")
	manifests(t, s, fmt.Sprintf(ingressTo, "i3", "moved.test", "s3"))
	check("a host that moved", "ingress/h3.test/default/i3", "ingress/moved.test/default/i3")
	manifests(t, s, fmt.Sprintf(ingressTo, "i3b", "moved.test", "s3"))
	check("another Ingress for a host", "ingress/moved.test/default/i3b")
	s.Delete(Key{KindService, "default", "s7"})
	check("the service deleted", append(append([]string{"endpoints/default/s7"}, want...), "service/default/s7")...)
}

// TestLinesOfARoute: a route stands at its path, its host where the rule has it.
func TestLinesOfARoute(t *testing.T) {
	s := New(Options{TakeUnclassed: true})
	manifests(t, s, fmt.Sprintf(ingressTo, "i", "a.test", "s"))
	r := s.All()[0].Objects.Routes[0]
	if r.Origin.Line != 8 || r.HostLine != 7 || r.Origin.File != "f.yaml" {
		t.Errorf("route at %s, host in line %d", r.Origin.At(), r.HostLine)
	}
}

// TestTemplate: a Deployment's label edit is a rollout, a Pod's is not; a replica count never is.
func TestTemplate(t *testing.T) {
	workload := func(text string) model.Workload {
		s := New(Options{})
		manifests(t, s, text)
		for _, g := range s.All() {
			if len(g.Objects.Workloads) == 1 {
				return g.Objects.Workloads[0]
			}
		}
		t.Fatal("no workload")
		return model.Workload{}
	}
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: x}, annotations: {paifang.dev/exec: run}}\nspec: {containers: [{name: c, image: i}]}\n"
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: x}}\n  template:\n    metadata: {labels: {app: x, v: one}}\n    spec: {containers: [{name: c, image: i}]}\n"
	tests := []struct {
		text, old, new string
		same           bool
	}{
		{pod, "app: x", "app: z", true},
		{pod, "image: i", "image: j", false},
		{pod, "exec: run", "exec: walk", false},
		{pod, "spec: {containers: [{name: c, image: i}]}", "spec:\n  containers:\n    # moved\n    - {image: i, name: c}", true},
		{deployment, "v: one", "v: two", false},
		{deployment, "replicas: 1", "replicas: 5", true},
		{deployment, "image: i", "image: j", false},
	}
	for _, tt := range tests {
		a, b := workload(tt.text), workload(strings.Replace(tt.text, tt.old, tt.new, 1))
		if same := a.Template == b.Template; same != tt.same || a.Template == "" {
			t.Errorf("%s → %s: same template %v, want %v", tt.old, tt.new, same, tt.same)
		}
	}
}

// keyPEM makes a self-signed certificate and its key.
func keyPEM(t testing.TB) (chain, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"shop.test"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kder}))
}

func TestTLS(t *testing.T) {
	chain, key := keyPEM(t)
	_, otherKey := keyPEM(t)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	secret := func(data string) string {
		return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shop-tls}\ntype: kubernetes.io/tls\ndata: {" + data + "}\n"
	}
	const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  tls:
    - {hosts: [shop.test, "*.shop.test", SHOP.test], secretName: shop-tls}
    - {secretName: shop-tls}
    - {hosts: [plain.test]}
  rules: [{host: other.test}]
`
	tests := []struct{ name, secret, says string }{
		{"good", secret("tls.crt: " + b64(chain) + ", tls.key: " + b64(key)), ""},
		{"missing", "", "f.yaml:7: error: secret-missing: Ingress default/web spec.tls[0].secretName: secret default/shop-tls does not exist: the default certificate is served for other.test, shop.test, *.shop.test"},
		{"without key", secret("tls.crt: " + b64(chain)), "f.yaml:17: error: secret-invalid: Secret default/shop-tls data[tls.key]: has no tls.key: the default certificate is served for other.test, shop.test, *.shop.test"},
		{"not a pair", secret("tls.crt: " + b64(chain) + ", tls.key: " + b64(otherKey)), "f.yaml:17: error: secret-invalid: Secret default/shop-tls data: certificate and key do not load: private key does not match public key: the default certificate is served for other.test, shop.test, *.shop.test"},
		{"not PEM", secret("tls.crt: " + b64(chain) + ", tls.key: " + b64("very secret")), "f.yaml:17: error: secret-invalid: Secret default/shop-tls data: certificate and key do not load: failed to find any PEM data in key input: the default certificate is served for other.test, shop.test, *.shop.test"},
	}
	const own = "---\napiVersion: paifang.dev/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {attach: [gateway], hosts: [g.test], secret: default/shop-tls}\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Options{TakeUnclassed: true})
			manifests(t, s, ingress)
			manifests(t, s, own)
			s.Changed()
			if tt.secret != "" {
				manifests(t, s, strings.Repeat("\n", 11)+tt.secret) // the Secret comes later: what waits for it is built again
			}
			got := map[string]model.Objects{}
			for _, g := range s.All() {
				got[g.Key] = *g.Objects
			}
			tls, ours := got["tls/default/shop-tls"], got["own/Certificate/c"]
			if says := tls.Diagnostics; len(says) == 0 || says[0].Message != `"SHOP.test" is not a host: a host is a name in lower case without port: letters, digits, - and .` {
				t.Errorf("about the bad host: %v", says)
			} else if tt.says != "" && (len(says) != 2 || says[1].String() != tt.says) {
				t.Errorf("got  %v\nwant %v", says[1:], tt.says)
			}
			if strings.Contains(fmt.Sprintf("%+v %#v", got, got), "very secret") {
				t.Error("a secret shows")
			}
			if tt.says != "" {
				if len(tls.Certificates)+len(ours.Certificates) > 0 || len(ours.Diagnostics) != 1 || ours.Diagnostics[0].Field != "spec.secret" {
					t.Errorf("certificates all the same: %+v, %+v", tls, ours)
				}
				return
			}
			want := model.Certificate{
				ID: "secret/default/shop-tls", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test", "other.test", "*.shop.test"},
				Secret: "default/shop-tls", Chain: chain, Key: model.NewSecret(key),
			}
			if len(tls.Certificates) != 1 || len(ours.Certificates) != 1 {
				t.Fatalf("%+v", got)
			}
			want.Origin = tls.Certificates[0].Origin
			slices.SortFunc(want.Hosts, model.Host.Compare)
			if !reflect.DeepEqual(tls.Certificates[0], want) || tls.Certificates[0].Origin.Kind != "Secret" {
				t.Errorf("got %+v", tls.Certificates[0])
			}
			if c := ours.Certificates[0]; c.Chain != chain || c.Key.Reveal() != key || c.Attach[0] != "gateway" {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func TestPutRefusesOtherTypes(t *testing.T) {
	if err := New(Options{}).Put(Object{Value: &batchv1.Job{}}); err == nil {
		t.Error("a Job was taken")
	}
}

// TestReadIsWhatTheAPIServerReads compares our decoder with the strict one of Kubernetes on every document at hand.
func TestReadIsWhatTheAPIServerReads(t *testing.T) {
	for _, d := range documents(t) {
		o, problems, known := NewReader().Read(d)
		if !known || len(problems) > 0 {
			continue
		}
		want := reflect.New(reflect.TypeOf(o.Value).Elem())
		strict, err := kjson.UnmarshalStrict(d.Root.JSON(), want.Interface())
		if err != nil || len(strict) > 0 {
			t.Errorf("%s:%d: %v %v", d.File, d.Line(""), err, strict)
		}
		Strip(want.Interface().(Value))
		if !reflect.DeepEqual(o.Value, want.Interface()) {
			t.Errorf("%s:%d:\n got %+v\nwant %+v", d.File, d.Line(""), o.Value, want.Interface())
		}
	}
}

// FuzzRead: whatever is in a document, reading agrees with Kubernetes on what is acceptable, and translating it does not
// panic.
func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, a := range txtar.Parse(data).Files {
			for _, doc := range strings.Split(string(a.Data), "\n---\n") {
				f.Add([]byte(doc))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, _ := document.Split("f", data)
		s := New(Options{TakeUnclassed: true, Slices: len(data)%2 == 0})
		for _, d := range docs {
			o, problems, known := NewReader().Read(d)
			if !known || len(problems) > 0 {
				continue
			}
			again := reflect.New(reflect.TypeOf(o.Value).Elem()).Interface()
			if strict, err := kjson.UnmarshalStrict(d.Root.JSON(), again); err != nil || len(strict) > 0 {
				t.Errorf("we read what Kubernetes refuses: %v %v\n%s", err, strict, data)
			}
			if err := s.Put(o); err != nil {
				t.Fatal(err)
			}
		}
		for _, g := range s.All() {
			if _, err := document.Print(*g.Objects); err != nil {
				t.Error(err)
			}
			for _, r := range g.Objects.Routes {
				if err := r.Validate(); err != nil {
					t.Errorf("an invalid route: %v", err)
				}
			}
			for _, u := range g.Objects.Upstreams {
				if err := u.Validate(); err != nil {
					t.Errorf("an invalid upstream: %v", err)
				}
			}
			for _, w := range g.Objects.Workloads {
				if err := w.Validate(); err != nil {
					t.Errorf("an invalid workload: %v", err)
				}
			}
		}
	})
}

func BenchmarkOneOfTenThousandHosts(b *testing.B) {
	s := New(Options{TakeUnclassed: true})
	for i := range 10_000 {
		putAll(b, s, "f", fmt.Appendf(nil, ingressTo, fmt.Sprint("i", i), fmt.Sprintf("h%d.test", i), "s"))
	}
	s.Changed()
	docs, _ := document.Split("f", fmt.Appendf(nil, ingressTo, "i77", "h77.test", "other"))
	back, _ := document.Split("f", fmt.Appendf(nil, ingressTo, "i77", "h77.test", "s"))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		o, _, _ := NewReader().Read([]document.Document{docs[0], back[0]}[i%2])
		if err := s.Put(o); err != nil {
			b.Fatal(err)
		}
		if n := len(s.Changed()); n != 1 {
			b.Fatal(n, "groups")
		}
	}
}
