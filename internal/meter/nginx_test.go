package meter

import (
	"strings"
	"testing"
	"time"

	"paifang/internal/exposition/expositiontest"
	"paifang/internal/model"
)

// Requests of an Ingress are shown under ingress-nginx's names: by Ingress, Service, host and path, those of a canary apart.
// What no Ingress has asked for is not there.
func TestNginxNames(t *testing.T) {
	s := newStand(t, nil)
	s.parts.Nginx = &Nginx{Class: "paifang.dev/controller", Namespace: "ingress", Pod: "p-1"}
	s.meter = New(s.parts)
	s.list("main", server(t))
	s.list("canary", server(t))
	o := objects("main", "canary")
	for i := range o.Upstreams {
		if name := string(o.Upstreams[i].ID); name != "nodes" {
			o.Upstreams[i].ID = model.UpstreamID("kubernetes/shop/" + name + ":80")
			o.Upstreams[i].Origin = model.Origin{Kind: "Service", Namespace: "shop", Name: name}
		}
	}
	target := func(name string, weight int) model.Target {
		return model.Target{Upstream: model.UpstreamID("kubernetes/shop/" + name + ":80"), Weight: weight}
	}
	ingress := model.Origin{Kind: "Ingress", Namespace: "shop", Name: "order"}
	route := func(id string, kind model.PathKind, path string, targets ...model.Target) model.Route {
		return model.Route{ID: model.RouteID(id), Origin: ingress, Attach: []model.Class{"web"}, Hosts: []model.Host{"shop.test"},
			Match: model.Match{Path: model.PathMatch{Kind: kind, Value: path}}, Action: model.Forward{Targets: targets}}
	}
	// The first two have the same labels: they are one series.
	o.Routes = []model.Route{
		route("ingress/shop/order/0/0", model.PathExact, "/a", target("main", 1)),
		route("ingress/shop/order/0/1", model.PathPrefix, "/a", target("main", 1)),
		route("ingress/shop/order/0/2", model.PathPrefix, "/b", target("main", 1), target("canary", 1)),
		{ID: "other-road", Attach: []model.Class{"web"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/own"}},
			Action: model.Forward{Targets: []model.Target{target("main", 1)}}},
	}
	s.publish(o)
	c := client()
	defer c.CloseIdleConnections()
	ask := func(host, path string, times int) {
		t.Helper()
		for range times {
			if err := getHost(c, "http://"+s.at["front"]+path, host); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask("shop.test", "/a", 3)
	ask("shop.test", "/a/x", 2)
	ask("shop.test", "/b", 40)
	ask("other.test", "/own", 5)
	var p expositiontest.Page
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if p = s.page(); p.Sum("paifang_requests_total") == 50 || time.Now().After(end) {
			break
		}
	}
	by := []string{`controller_class="paifang.dev/controller"`, `controller_namespace="ingress"`, `controller_pod="p-1"`, `namespace="shop"`, `ingress="order"`, `service="main"`}
	for _, q := range []struct {
		family string
		labels []string
		want   float64
	}{
		{"nginx_ingress_controller_requests", nil, 45},
		{"nginx_ingress_controller_requests", []string{`path="/a"`, `canary=""`, `host="shop.test"`, `status="2xx"`}, 5},
		{"nginx_ingress_controller_request_duration_seconds", []string{`path="/a"`}, 5},
		{"nginx_ingress_controller_header_duration_seconds", []string{`path="/b"`}, 40},
		{"nginx_ingress_controller_response_duration_seconds", []string{`path="/b"`}, 40},
		{"nginx_ingress_controller_ingress_upstream_latency_seconds", nil, 45},
		{"nginx_ingress_controller_response_size", []string{`path="/b"`}, 40},
	} {
		if got := p.Sum(q.family, append(by, q.labels...)...); got != q.want {
			t.Errorf("%s%v is %v, want %v", q.family, q.labels, got, q.want)
		}
	}
	main, canary := p.Sum("nginx_ingress_controller_requests", `path="/b"`, `canary=""`), p.Sum("nginx_ingress_controller_requests", `path="/b"`, `canary="shop-canary-80"`)
	if main == 0 || canary == 0 || main+canary != 40 {
		t.Errorf("%v requests went to the main Service, %v to the canary", main, canary)
	}
	for family, f := range p {
		for series := range f.Series {
			if strings.HasPrefix(family, "nginx_") && strings.Contains(series, "/own") {
				t.Errorf("%s is of no Ingress", series)
			}
		}
	}
	if p.Sum("nginx_ingress_controller_config_last_reload_successful") != 1 || p.Sum("nginx_ingress_controller_config_hash") != float64(s.store.Load().Version()) {
		t.Error("the generation is not told")
	}
}

// TestNginxDashboards looks for what ingress-nginx's own two dashboards, and the queries of Flagger and Argo Rollouts, ask for.
func TestNginxDashboards(t *testing.T) {
	have := map[string]map[string]bool{}
	for _, f := range NginxGroup().Families {
		have[f.Name] = map[string]bool{}
		for _, l := range f.Labels {
			have[f.Name][l] = true
		}
	}
	for _, asked := range []struct{ name, labels string }{
		{"requests", "controller_pod controller_class controller_namespace namespace ingress status canary"},
		{"nginx_process_connections", "controller_pod controller_class controller_namespace state"},
		{"nginx_process_cpu_seconds_total", "controller_pod controller_class controller_namespace"},
		{"nginx_process_resident_memory_bytes", "controller_pod controller_class controller_namespace"},
		{"success", "controller_pod controller_class controller_namespace"},
		{"config_hash", "controller_class controller_namespace"},
		{"config_last_reload_successful", "controller_pod controller_namespace"},
		{"config_last_reload_successful_timestamp_seconds", "controller_class"},
		{"request_size", "controller_pod controller_class controller_namespace ingress"},
		{"response_size", "controller_pod controller_class controller_namespace ingress path"},
		{"request_duration_seconds", "ingress path"},
		{"response_duration_seconds", "ingress path"},
		{"ingress_upstream_latency_seconds", "namespace ingress"},
		{"ssl_expire_time_seconds", "controller_pod controller_class namespace host"},
	} {
		labels := have["nginx_ingress_controller_"+asked.name]
		for _, l := range strings.Fields(asked.labels) {
			if !labels[l] {
				t.Errorf("%s has no label %s", asked.name, l)
			}
		}
	}
}
