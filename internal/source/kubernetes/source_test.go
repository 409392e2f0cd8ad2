package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/apitest"
	"paifang/internal/source/kubernetes/translate"
)

// cluster is what most tests begin with: a class of ours, and a host with a Service that has one address.
const cluster = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: paifang}
spec: {controller: paifang.dev/controller}
---
` + web + `
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
` + slice1

const web = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, managedFields: [{manager: kubectl}]}
spec:
  ingressClassName: paifang
  tls: [{hosts: [shop.test], secretName: shop-tls}]
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]
`

const slice1 = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
`

// follower runs a source as the hub does and keeps what it says.
type follower struct {
	t      *testing.T
	source *Source

	mu     sync.Mutex
	groups map[string]*model.Objects
	fulls  int
	failed error // of the last run
	runs   int
}

func follow(t *testing.T, api *apitest.Server, change func(*Options)) *follower {
	t.Helper()
	client, err := Connect(Access{Kubeconfig: api.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Client: client, Patience: 200 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	f := &follower{t: t, source: New(o), groups: map[string]*model.Objects{}}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			f.run(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait(); client.Close() })
	return f
}

func (f *follower) run(ctx context.Context) {
	out := make(chan source.Update)
	ended := make(chan error, 1)
	go func() { ended <- f.source.Run(ctx, out) }()
	f.mu.Lock()
	f.runs++
	f.mu.Unlock()
	named := map[string]bool{}
	for {
		select {
		case u := <-out:
			f.mu.Lock()
			f.failed = nil
			for _, g := range u.Groups {
				named[g.Key] = true
				if f.groups[g.Key] = g.Objects; g.Objects == nil {
					delete(f.groups, g.Key)
				}
			}
			if u.Full {
				f.fulls++
				maps.DeleteFunc(f.groups, func(k string, _ *model.Objects) bool { return !named[k] })
			}
			f.mu.Unlock()
		case err := <-ended:
			f.mu.Lock()
			f.failed = err
			f.mu.Unlock()
			return
		}
	}
}

// until polls until a condition holds over what was said.
func (f *follower) until(what string, holds func() bool) {
	f.t.Helper()
	eventually(f.t, what, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return holds()
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// addresses are those of the list shop/web:80, with their states.
func (f *follower) addresses() string {
	var out []string
	if o := f.groups["endpoints/shop/web"]; o != nil {
		for _, s := range o.Endpoints {
			for _, e := range s.Endpoints {
				out = append(out, e.Addr.String()+" "+e.State.String())
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (f *follower) said(code model.Code) bool {
	for _, o := range f.groups {
		if slices.ContainsFunc(o.Diagnostics, func(d model.Diagnostic) bool { return d.Code == code }) {
			return true
		}
	}
	return false
}

func (f *follower) routes() []string {
	var out []string
	for _, o := range f.groups {
		for _, r := range o.Routes {
			out = append(out, string(r.ID))
		}
	}
	slices.Sort(out)
	return out
}

func TestFollows(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	f := follow(t, api, nil)
	f.until("the cluster is listed", func() bool { return f.fulls == 1 && len(f.routes()) == 1 && f.addresses() == "10.0.0.1:8080 ready" })
	f.until("the missing secret is told", func() bool { return f.said(model.CodeSecretMissing) })

	api.Apply(strings.Replace(slice1, "10.0.0.1", "10.0.0.2", 1))
	f.until("the address changes", func() bool { return f.addresses() == "10.0.0.2:8080 ready" })
	api.Apply(strings.NewReplacer("web-1", "web-2", "10.0.0.1", "10.0.0.3", "{ready: true}", "{ready: false, serving: true, terminating: true}").Replace(slice1))
	f.until("a second slice adds to the first", func() bool { return f.addresses() == "10.0.0.2:8080 ready, 10.0.0.3:8080 draining" })
	api.Delete("discovery.k8s.io/v1", "endpointslices", "shop", "web-1")
	f.until("a slice goes", func() bool { return f.addresses() == "10.0.0.3:8080 draining" })
	api.Delete("networking.k8s.io/v1", "ingresses", "shop", "web")
	f.until("the ingress goes", func() bool { return len(f.routes()) == 0 })
	for kind, n := range api.Requests() {
		if strings.HasPrefix(kind, "list") && n != 1 {
			t.Errorf("%s: %d times, want one per kind", kind, n)
		}
	}
}

// TestStatusIsNoChange writes a status and a heartbeat as others do: nothing is said, so nothing is compiled.
func TestStatusIsNoChange(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	f := follow(t, api, nil)
	f.until("the cluster is listed", func() bool { return f.fulls == 1 })
	revision := func() (r string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.groups["ingress/shop.test/shop/web"].Routes[0].Origin.Revision
	}
	before := revision()
	api.Apply(web + "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n")
	eventually(t, "the status is seen", func() bool { return f.source.status.seen("shop", "web") == "192.0.2.1" })
	if now := revision(); now != before {
		t.Errorf("the status made revision %s of the rules, after %s", now, before)
	}
	api.Apply(strings.Replace(web, "path: /,", "path: /other,", 1))
	f.until("a change of rules is one", func() bool { return f.groups["ingress/shop.test/shop/web"].Routes[0].Match.Path.Value == "/other" })
}

func TestSecrets(t *testing.T) {
	chain, key := keyPair(t, "shop.test")
	secret := func(name, kind string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: shop}\ntype: %s\ndata: {tls.crt: %s, tls.key: %s}\n", name, kind, chain, key)
	}
	certificates := func(f *follower) int {
		n := 0
		for _, o := range f.groups {
			n += len(o.Certificates)
		}
		return n
	}
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply(secret("unrelated", "Opaque"))
	f := follow(t, api, nil)
	f.until("the cluster is listed", func() bool { return f.fulls == 1 && f.said(model.CodeSecretMissing) })
	if _, known := f.source.get(translate.Key{Kind: translate.KindSecret, Namespace: "shop", Name: "unrelated"}); known {
		t.Error("a secret that nobody names was read")
	}

	api.Apply(secret("shop-tls", "kubernetes.io/tls"))
	f.until("a TLS secret that comes later is used", func() bool { return certificates(f) == 1 && !f.said(model.CodeSecretMissing) })
	api.Apply(strings.Replace(secret("shop-tls", "kubernetes.io/tls"), "tls.crt: ", "tls.crt: AAAA", 1))
	f.until("one that breaks is told, and used as it was", func() bool { return certificates(f) == 1 && f.said(model.CodeSecretInvalid) })
	api.Delete("v1", "secrets", "shop", "shop-tls")
	f.until("it goes", func() bool { return certificates(f) == 0 && f.said(model.CodeSecretMissing) })
	api.Apply(secret("shop-tls", "Opaque"))
	f.until("one of another type is used where it is named", func() bool { return certificates(f) == 1 })
	if n := len(f.routes()); n != 1 {
		t.Errorf("%d routes, want the one all along", n)
	}
	api.Apply(strings.Replace(web, "secretName: shop-tls", "secretName: other", 1))
	f.until("it is dropped when nobody names it", func() bool {
		_, known := f.source.get(translate.Key{Kind: translate.KindSecret, Namespace: "shop", Name: "shop-tls"})
		return !known
	})
}

// TestServerAway has the server go and come back: what was known stays, the source counts as failed meanwhile, and then each
// kind is listed once.
func TestServerAway(t *testing.T) {
	t.Parallel()
	api := apitest.New(t)
	api.Apply(cluster)
	f := follow(t, api, nil)
	f.until("the cluster is listed", func() bool { return f.fulls == 1 && f.addresses() == "10.0.0.1:8080 ready" })
	api.Down()
	f.until("the source fails", func() bool { return f.failed != nil })
	f.until("what was known stays", func() bool { return len(f.routes()) == 1 && f.addresses() == "10.0.0.1:8080 ready" })
	f.until("it is tried again", func() bool { return f.runs > 3 })
	before := api.Requests()
	api.Delete("networking.k8s.io/v1", "ingresses", "shop", "web")
	api.Apply(strings.Replace(web, "name: web, namespace", "name: new, namespace", 1))
	api.Apply(strings.Replace(slice1, "10.0.0.1", "10.0.0.2", 1))
	api.Forget()
	api.Up()
	f.until("what changed meanwhile is there", func() bool {
		return f.fulls == 2 && f.addresses() == "10.0.0.2:8080 ready" && slices.Equal(f.routes(), []string{"ingress/shop/new/0/0"})
	})
	for kind, n := range api.Requests() {
		if strings.HasPrefix(kind, "list") && n-before[kind] != 1 {
			t.Errorf("%s: %d times after the server came back, want one per kind", kind, n-before[kind])
		}
	}
}

// TestServerThatStarts answers for one kind before the others: none is listed twice.
func TestServerThatStarts(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	api.Refuse("list services", 503)
	f := follow(t, api, func(o *Options) { o.Patience = 10 * time.Second })
	eventually(t, "the server is asked for what it does not answer yet", func() bool { return api.Requests()["list services"] > 0 })
	api.Refuse("list services", 0)
	f.until("the cluster is listed, without a further start", func() bool { return f.fulls == 1 && f.runs == 1 })
	for kind, n := range api.Requests() {
		if strings.HasPrefix(kind, "list") && kind != "list services" && n != 1 {
			t.Errorf("%s: %d times, want one per kind", kind, n)
		}
	}
}

// TestWatchIsTakenUp has the server go for less than the patience: nothing is listed again.
func TestWatchIsTakenUp(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	f := follow(t, api, func(o *Options) { o.Patience = 10 * time.Second })
	f.until("the cluster is listed", func() bool { return f.fulls == 1 })
	// A watch that ends at once and without an event is taken for a fault and listed again, so each gets one.
	chain, key := keyPair(t, "shop.test")
	api.Apply(strings.ReplaceAll(cluster, "metadata: {", "metadata: {generation: 2, "))
	api.Apply(fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: shop-tls, namespace: shop}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n", chain, key))
	api.Apply(strings.Replace(slice1, "10.0.0.1", "10.0.0.9", 1))
	f.until("changes come", func() bool { return f.addresses() == "10.0.0.9:8080 ready" && !f.said(model.CodeSecretMissing) })
	before := api.Requests()
	api.Down()
	api.Up()
	api.Apply(strings.Replace(slice1, "10.0.0.1", "10.0.0.2", 1))
	f.until("changes come on", func() bool { return f.addresses() == "10.0.0.2:8080 ready" })
	for kind, n := range api.Requests() {
		if strings.HasPrefix(kind, "list") && n != before[kind] {
			t.Errorf("%s: listed again", kind)
		}
	}
}

func TestForbidden(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	api.Refuse("list services", 403)
	f := follow(t, api, nil)
	f.until("the source says which right is missing", func() bool {
		return f.failed != nil && strings.Contains(f.failed.Error(), "services: the service account may not list and watch them")
	})
	if f.fulls != 0 {
		t.Error("something was said without services")
	}
	api.Refuse("list services", 0)
	f.until("it goes on", func() bool { return f.fulls == 1 })
}

func TestNamespaces(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply(strings.ReplaceAll(web, "namespace: shop", "namespace: other"))
	f := follow(t, api, func(o *Options) { o.Namespaces = []string{"shop"} })
	f.until("the cluster is listed", func() bool { return f.fulls == 1 })
	if got := f.routes(); !slices.Equal(got, []string{"ingress/shop/web/0/0"}) {
		t.Errorf("routes %v, want only those of the namespace", got)
	}
}

// TestServicesOnly asks for nothing but Services and their addresses, in the namespaces that are named.
func TestServicesOnly(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply(strings.NewReplacer("namespace: shop", "namespace: other", "10.0.0.1", "10.0.0.9").Replace(slice1))
	for _, kind := range []string{"ingressclasses", "ingresses", "secrets", "configmaps"} {
		api.Refuse("list "+kind, 403)
	}
	f := follow(t, api, func(o *Options) { o.ServicesOnly, o.Namespaces = true, []string{"shop"} })
	f.until("the Service is listed", func() bool { return f.fulls == 1 && f.addresses() == "10.0.0.1:8080 ready" })
	api.Apply(strings.Replace(slice1, "10.0.0.1", "10.0.0.2", 1))
	f.until("a change is followed", func() bool { return f.addresses() == "10.0.0.2:8080 ready" })
	api.Down()
	f.until("the source fails", func() bool { return f.failed != nil })
	api.Up()
	f.until("it is back", func() bool { return f.fulls == 2 && f.failed == nil && f.addresses() == "10.0.0.2:8080 ready" })
	for what, n := range api.Requests() {
		if kind := strings.TrimPrefix(strings.TrimPrefix(what, "list "), "watch "); kind != "services" && kind != "endpointslices" {
			t.Errorf("%s: %d times", what, n)
		}
	}
	if got := f.routes(); len(got) > 0 {
		t.Errorf("routes %v", got)
	}
}

func TestClasses(t *testing.T) {
	foreign := "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n"
	theirs := strings.NewReplacer("name: web, namespace", "name: theirs, namespace", "ingressClassName: paifang", "ingressClassName: nginx").Replace(web)
	none := strings.NewReplacer("name: web, namespace", "name: none, namespace", "  ingressClassName: paifang\n", "").Replace(web)
	byAnnotation := strings.NewReplacer("{name: web, namespace: shop,", "{name: old, namespace: shop, annotations: {kubernetes.io/ingress.class: paifang},", "  ingressClassName: paifang\n", "").Replace(web)
	for _, c := range []struct {
		name    string
		options func(*Options)
		extra   string
		want    []string
	}{
		{"own class, and by annotation", nil, "", []string{"old", "web"}},
		{"another class is adopted with its objects unchanged", func(o *Options) { o.Translate.Adopt = []string{"nginx"} }, "", []string{"old", "theirs", "web"}},
		{"the default class takes those without one", nil,
			"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: paifang, annotations: {ingressclass.kubernetes.io/is-default-class: \"true\"}}\nspec: {controller: paifang.dev/controller}\n",
			[]string{"none", "old", "web"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			api := apitest.New(t)
			api.Apply(strings.Join([]string{cluster, foreign, theirs, none, byAnnotation}, "\n---\n"))
			if c.extra != "" {
				api.Apply(c.extra)
			}
			f := follow(t, api, c.options)
			f.until("the cluster is listed", func() bool { return f.fulls == 1 })
			var want []string
			for _, name := range c.want {
				want = append(want, "ingress/shop/"+name+"/0/0")
			}
			if got := f.routes(); !slices.Equal(got, want) {
				t.Errorf("routes %v, want %v", got, want)
			}
		})
	}
}

func TestConnect(t *testing.T) {
	if _, err := Connect(Access{Kubeconfig: "no/such/file"}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a kubeconfig that is not there: %v", err)
	}
}

// names answers lookups from a table.
type names struct {
	mu    sync.Mutex
	table map[string][]netip.Addr
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.table[host]; len(a) > 0 {
		return slices.Clone(a), nil
	}
	return nil, errors.New("no such host")
}

func TestExternalName(t *testing.T) {
	n := &names{table: map[string][]netip.Addr{
		"db.example.net":    {netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("192.0.2.21")},
		"evil.example.net":  {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("10.0.0.1")},
		"carry.example.net": {netip.MustParseAddr("64:ff9b::a9fe:a9fe"), netip.MustParseAddr("2002:7f00:1::"), netip.MustParseAddr("::127.0.0.1"), netip.MustParseAddr("64:ff9b::10.96.0.1"), netip.MustParseAddr("64:ff9b::10.0.0.1"), netip.MustParseAddr("100.100.100.200")},
	}}
	service := func(name string) string {
		return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: ExternalName, externalName: " + name + ", ports: [{name: http, port: 80, targetPort: 8443}]}\n"
	}
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply(strings.NewReplacer("web-1", "pods-1", "service-name: web", "service-name: pods").Replace(slice1))
	api.Apply("apiVersion: v1\nkind: Service\nmetadata: {name: kubernetes, namespace: default}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 443}]}\n")
	api.Delete("discovery.k8s.io/v1", "endpointslices", "shop", "web-1")
	api.Apply(service("db.example.net"))
	f := follow(t, api, func(o *Options) { o.External.Resolver = n })
	f.until("its addresses are used", func() bool { return f.addresses() == "192.0.2.20:8443 ready, 192.0.2.21:8443 ready" })
	api.Apply(strings.Replace(service("db.example.net"), "port: 80,", "port: 80, protocol: TCP,", 1)) // a change of something else
	f.until("they stay", func() bool { return f.addresses() == "192.0.2.20:8443 ready, 192.0.2.21:8443 ready" })
	for _, name := range []string{"evil.example.net", "carry.example.net", "other.prod.svc", "other.prod.svc.cluster.local", "localhost"} {
		api.Apply(service(name))
		f.until(name+" leads nowhere", func() bool { return f.addresses() == "" && f.said(model.CodeEndpointRefused) })
		api.Apply(service("db.example.net"))
		f.until("another name does", func() bool {
			return f.addresses() == "192.0.2.20:8443 ready, 192.0.2.21:8443 ready" && !f.said(model.CodeEndpointRefused)
		})
	}
	api.Apply(service("evil.example.net"))
	f.until("it is refused again", func() bool { return f.said(model.CodeEndpointRefused) })
}

func TestExternalNameAllowed(t *testing.T) {
	n := &names{table: map[string][]netip.Addr{"inner.example.net": {netip.MustParseAddr("127.0.0.5")}}}
	api := apitest.New(t)
	api.Apply(cluster)
	api.Delete("discovery.k8s.io/v1", "endpointslices", "shop", "web-1")
	api.Apply("apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: ExternalName, externalName: inner.example.net, ports: [{name: http, port: 80}]}\n")
	f := follow(t, api, func(o *Options) {
		o.External = External{Resolver: n, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.5/32")}}
	})
	f.until("what is allowed is used", func() bool { return f.addresses() == "127.0.0.5:80 ready" })
}
