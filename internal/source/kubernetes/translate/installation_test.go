package translate

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/installation"
)

func settingsMap(data map[string]string) Object {
	return Object{Value: &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress-nginx", Name: "settings"}, Data: data}}
}

// TestSettingsChangeAtRunTime: a key that changes reaches the routes of the Ingresses that it is for, and no others.
func TestSettingsChangeAtRunTime(t *testing.T) {
	flags := installation.NoFlags()
	flags.ConfigMap = "ingress-nginx/settings"
	s := New(Options{Source: "test", Slices: true, Installed: &Installed{Flags: flags}})
	put := func(o Object) []source.Group {
		t.Helper()
		if err := s.Put(o); err != nil {
			t.Fatal(err)
		}
		return s.Changed()
	}
	putAll(t, s, "all.yaml", []byte(`apiVersion: v1
kind: Service
metadata: {name: order, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ours}
spec: {controller: paifang.dev/controller}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ours, namespace: shop}
spec:
  ingressClassName: ours
  rules: [{host: ours.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: nginx
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}]}}]
`))
	s.Changed()
	named := false
	for _, r := range s.References() {
		named = named || r.Wanted && r.Key == configMapKey(flags.ConfigMap)
	}
	if !named {
		t.Error("the ConfigMap is not asked for")
	}
	read := func(groups []source.Group, key string) (time.Duration, bool) {
		for _, g := range groups {
			if g.Key == key {
				return g.Objects.Routes[0].Timeouts.Response, true
			}
		}
		return 0, false
	}
	const web, ours = "ingress/shop.test/shop/web", "ingress/ours.test/shop/ours"
	if d, ok := read(s.All(), web); !ok || d != time.Minute {
		t.Errorf("at first %v", d)
	}
	groups := put(settingsMap(map[string]string{"proxy-read-timeout": "7"}))
	if d, ok := read(groups, web); !ok || d != 7*time.Second {
		t.Errorf("with the key %v", d)
	}
	if _, changed := read(groups, ours); changed {
		t.Error("an Ingress of another class changed")
	}
	if groups := put(settingsMap(map[string]string{"proxy-read-timeout": "7", "worker-processes": "4"})); len(groups) != 1 || groups[0].Key != "installation/keys" {
		t.Errorf("a key without effect changes %d groups", len(groups))
	}
	s.Delete(configMapKey(flags.ConfigMap))
	groups = s.Changed()
	if d, ok := read(groups, web); !ok || d != time.Minute {
		t.Errorf("without the ConfigMap %v", d)
	}
	said := false
	for _, g := range groups {
		if g.Objects != nil {
			for _, d := range g.Objects.Diagnostics {
				said = said || d.Field == "--configmap" && d.Severity == model.Warning
			}
		}
	}
	if !said {
		t.Error("nobody is told that the ConfigMap is gone")
	}
}

// TestTracesChangeAtRunTime: a ConfigMap that names a collector, or another one, is a change of what listeners do, and what was said of
// an Ingress that had asked for traces in vain goes. Where listeners name one themselves nothing is said.
func TestTracesChangeAtRunTime(t *testing.T) {
	for _, own := range []bool{false, true} {
		flags := installation.NoFlags()
		flags.ConfigMap = "ingress-nginx/settings"
		s := New(Options{Source: "test", AdoptNginx: true, Traced: own, Installed: &Installed{Flags: flags}})
		putAll(t, s, "all.yaml", []byte(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/enable-opentelemetry: "true"}}
spec:
  ingressClassName: nginx
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}]}}]
`))
		seen := map[string]*model.Objects{}
		put := func(data map[string]string) (listeners model.Tracing, inVain bool) {
			t.Helper()
			if err := s.Put(settingsMap(data)); err != nil {
				t.Fatal(err)
			}
			for _, g := range s.Changed() {
				seen[g.Key] = g.Objects
			}
			for _, o := range seen {
				if o == nil {
					continue
				}
				for _, d := range o.ListenerDefaults {
					if d.Tracing != (model.Tracing{}) {
						listeners = d.Tracing
					}
				}
				for _, d := range o.Diagnostics {
					inVain = inVain || d.Code == model.CodeAnnotationIgnored && strings.Contains(d.Message, "nobody is named who takes spans")
				}
			}
			return listeners, inVain
		}
		if got, inVain := put(nil); got != (model.Tracing{}) || inVain == own {
			t.Errorf("own %v: %+v, in vain %v", own, got, inVain)
		}
		for _, host := range []string{"otel", "other"} {
			if got, inVain := put(map[string]string{"otlp-collector-host": host}); got.Collector != "grpc://"+host+":4317" || inVain {
				t.Errorf("own %v: %+v, in vain %v", own, got, inVain)
			}
		}
	}
}
