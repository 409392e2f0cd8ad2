package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestInstallationFlags: flags that say how the cluster is read and written become what our own configuration says, which goes
// before them.
func TestInstallationFlags(t *testing.T) {
	off := false
	for _, c := range []struct {
		flag string
		own  Kubernetes
		want Kubernetes
	}{
		{"--watch-namespace=shop", Kubernetes{}, Kubernetes{Namespaces: []string{"shop"}}},
		{"--watch-namespace=shop", Kubernetes{Namespaces: []string{"own"}}, Kubernetes{Namespaces: []string{"own"}}},
		{"--watch-namespace-selector=team=shop,!old", Kubernetes{}, Kubernetes{NamespaceSelector: "team=shop,!old"}},
		{"--watch-namespace-selector=team=shop --watch-namespace=shop", Kubernetes{}, Kubernetes{Namespaces: []string{"shop"}}},
		{"--watch-namespace-selector=team=shop", Kubernetes{NamespaceSelector: "own=yes"}, Kubernetes{NamespaceSelector: "own=yes"}},
		{"--report-node-internal-ip-address", Kubernetes{}, Kubernetes{Publish: Publish{Nodes: "internal"}}},
		{"--report-node-internal-ip-address", Kubernetes{Publish: Publish{Nodes: "external", Pods: "app=edge"}}, Kubernetes{Publish: Publish{Nodes: "external", Pods: "app=edge"}}},
		{"--report-node-internal-ip-address", Kubernetes{Publish: Publish{Pods: "app=edge"}}, Kubernetes{Publish: Publish{Nodes: "internal", Pods: "app=edge"}}},
		{"--report-node-internal-ip-address --update-status=false", Kubernetes{}, Kubernetes{}},
		{"--publish-service=$(POD_NAMESPACE)/front", Kubernetes{}, Kubernetes{Publish: Publish{Service: "ingress-nginx/front"}}},
		{"--publish-status-address=192.0.2.1,2001:db8::1", Kubernetes{}, Kubernetes{Publish: Publish{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}}}},
		{"--publish-service=a/b --update-status=false", Kubernetes{}, Kubernetes{}},
		{"--update-status=false", Kubernetes{Publish: Publish{Service: "own/front"}}, Kubernetes{Publish: Publish{Service: "own/front"}}},
		{"--election-id=leader", Kubernetes{}, Kubernetes{Lease: Lease{Name: "leader"}}},
		{"--election-ttl=20s", Kubernetes{}, Kubernetes{Lease: Lease{Duration: Duration(20 * time.Second)}}},
		{"--election-ttl=1s", Kubernetes{}, Kubernetes{}},
		{"--disable-sync-events", Kubernetes{}, Kubernetes{Events: &off}},
		{"--kubeconfig /etc/kube", Kubernetes{}, Kubernetes{Kubeconfig: "/etc/kube"}},
	} {
		cfg := Config{Sources: Sources{IngressNginx: &IngressNginx{Args: append([]string{"/nginx-ingress-controller"}, strings.Fields(c.flag)...)}}}
		if got := c.own.told(cfg.installed()); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.flag, got, c.want)
		}
	}
	x := Config{Sources: Sources{IngressNginx: &IngressNginx{Args: []string{"--disable-svc-external-name"}}}}
	if !new(Kubernetes).external(x.installed()).Off || new(Kubernetes).external(nil).Off {
		t.Error("disable-svc-external-name")
	}
}

// TestInstallationInFiles: what was told to ingress-nginx is checked with the files that it is in.
func TestInstallationInFiles(t *testing.T) {
	dir := t.TempDir()
	text := `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: ingress-nginx}
data:
  gzip-disable: "msie6"
  hsts: "false"
  proxy-bodysize: 1m
---
apiVersion: v1
kind: ConfigMap
metadata: {name: tcp, namespace: ingress-nginx}
data:
  "5432": shop/db:5432:PROXY:PROXY
  "80": shop/db
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {ports: [{port: 5432}]}
`
	file := filepath.Join(dir, "all.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := parsed(t, `sources:
  manifests: [`+dir+`]
  ingressNginx: {args: [/nginx-ingress-controller, --configmap=$(POD_NAMESPACE)/settings, --tcp-services-configmap=$(POD_NAMESPACE)/tcp, --sync-period=1m, --nonsense]}
ingress: {nodes: [{name: node-1, http: "127.0.0.1:8080"}], advertise: [192.0.2.7]}
`)
	c, err := Offline(t.Context(), cfg, Adopt{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]model.Code{
		"data.gzip-disable": model.CodeSettingIgnored, "data.hsts": model.CodeSettingDiffers, "data.proxy-bodysize": model.CodeSettingUnknown, "data.80": model.CodeInvalid,
		"--configmap": model.CodeSettingServed, "--tcp-services-configmap": model.CodeSettingServed, "--sync-period": model.CodeSettingIgnored, "--nonsense": model.CodeSettingUnknown,
	}
	for _, d := range c.Load().Diagnostics() {
		if code, known := want[d.Field]; known && code == d.Code {
			delete(want, d.Field)
		}
		if d.Field == "data.gzip-disable" && (d.Origin.File != file || d.Origin.Line != 5) {
			t.Errorf("gzip-disable is said to be at %s", d.Origin.At())
		}
		if d.Field == "data.proxy-bodysize" && !strings.Contains(d.Message, "proxy-body-size") {
			t.Errorf("a slip of the pen is answered %q", d.Message)
		}
	}
	for field, code := range want {
		t.Errorf("%s: not said, want %s", field, code)
	}
	l, ok := c.Load().Listener("node-1/tcp/5432")
	if !ok || l.Bind[0].String() != "127.0.0.1:5432" || len(l.Trust.ProxyFrom) != 2 {
		t.Fatalf("listener %+v, %t", l, ok)
	}
	r := c.Load().L4Routes(l.Class)
	if len(r) != 1 || r[0].Idle != 10*time.Minute {
		t.Fatalf("routes %+v", r)
	}
	if up, ok := c.Load().Upstream(r[0].Upstream); !ok || up.Dial.Proxy != model.ProxyV1 || !slices.Contains(up.Endpoints, model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/db:5432"}) {
		t.Errorf("upstream %+v", up)
	}
}

// TestInstallationOfListeners: what the ConfigMap says of listeners holds for those of the ingress nodes, as far as the
// configuration does not say it.
func TestInstallationOfListeners(t *testing.T) {
	dir := t.TempDir()
	text := `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: ingress-nginx}
data: {use-forwarded-headers: "true", use-proxy-protocol: "true", proxy-real-ip-cidr: 10.0.0.0/8, proxy-protocol-header-timeout: 2s}
`
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	listener := func(ingress string) (model.Listener, []model.Diagnostic) {
		cfg := parsed(t, `sources:
  manifests: [`+dir+`]
  ingressNginx: {args: [/nginx-ingress-controller, --configmap=$(POD_NAMESPACE)/settings]}
ingress: {nodes: [{name: node-1, http: "127.0.0.1:8080"}]`+ingress+`}
gateway: {http: "127.0.0.1:8081", service: "-"}
`)
		c, err := Offline(t.Context(), cfg, Adopt{})
		if err != nil {
			t.Fatal(err)
		}
		if g, _ := c.Load().Listener("gateway/http"); g.Trust.ForwardedFrom != nil || g.Trust.ProxyFrom != nil || g.Clients != (model.Clients{}) {
			t.Errorf("the gateway's listener has what is said for the ingress: %+v", g)
		}
		l, _ := c.Load().Listener("node-1/http")
		return l, c.Load().Diagnostics()
	}
	ten := netip.MustParsePrefix("10.0.0.0/8")
	l, _ := listener("")
	if !slices.Equal(l.Trust.ForwardedFrom, []netip.Prefix{ten}) || !slices.Equal(l.Trust.ProxyFrom, []netip.Prefix{ten}) || l.Trust.Believe != model.BelieveRequest || l.Clients.ProxyHeader != 2*time.Second {
		t.Errorf("%+v", l)
	}
	l, ds := listener(`, trusted: ["192.0.2.1/32"], proxyFrom: []`)
	if len(l.Trust.ForwardedFrom) != 1 || l.Trust.ForwardedFrom[0] == ten || l.Trust.Believe != model.BelieveAll || len(l.Trust.ProxyFrom) != 0 {
		t.Errorf("the configuration does not go before the ConfigMap: %+v", l)
	}
	if !slices.ContainsFunc(ds, func(d model.Diagnostic) bool {
		return d.Code == model.CodeSettingOverridden && strings.Contains(d.Message, "node-1/http") && strings.Contains(d.Message, "proxyFrom, trusted")
	}) {
		t.Errorf("nobody is told: %v", ds)
	}
}
