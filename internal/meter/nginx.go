package meter

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"paifang/internal/exposition"
	"paifang/internal/httpproxy"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Nginx has metrics written under the names of ingress-nginx too, so that its dashboards and the queries of canary analysis go
// on. The fields are the values of labels that all of them have.
type Nginx struct {
	Class     string // controller_class: what an IngressClass names as its controller
	Namespace string // controller_namespace
	Pod       string // controller_pod
}

// controller are the labels that each of these metrics has, before its own.
func controller(more ...string) []string {
	return append([]string{"controller_class", "controller_namespace", "controller_pod"}, more...)
}

var (
	nginxRequests = exposition.Family{Name: "nginx_ingress_controller_requests", Type: exposition.Counter,
		Labels: controller("namespace", "ingress", "service", "canary", "host", "path", "status"),
		Help:   "Requests of an Ingress. status is the class, 2xx, as with --report-status-classes; there is no method. canary names the upstream of a canary that served them, in the form namespace-service-port."}
	nginxDuration = exposition.Family{Name: "nginx_ingress_controller_request_duration_seconds", Type: exposition.Histogram,
		Labels: controller("namespace", "ingress", "service", "host", "path"),
		Help:   "From the head of the request to the last byte of the answer."}
	nginxHeader = exposition.Family{Name: "nginx_ingress_controller_header_duration_seconds", Type: exposition.Histogram,
		Labels: controller("namespace", "ingress", "service", "host", "path"),
		Help:   "From the head of the request to the head of the upstream's answer."}
	nginxResponse = exposition.Family{Name: "nginx_ingress_controller_response_duration_seconds", Type: exposition.Histogram,
		Labels: controller("namespace", "ingress", "service", "host", "path"),
		Help:   "From the head of the request to the last byte of the answer, too; of ingress-nginx from the connection to the upstream to the last byte of its answer."}
	nginxLatency = exposition.Family{Name: "nginx_ingress_controller_ingress_upstream_latency_seconds", Type: exposition.Histogram,
		Labels: controller("namespace", "ingress", "service"),
		Help:   "The same, by Ingress; Flagger reads its sum and count. Of ingress-nginx it is a summary, and ends once the upstream is connected."}
	nginxRequestSize = exposition.Family{Name: "nginx_ingress_controller_request_size", Type: exposition.Histogram,
		Labels: controller("namespace", "ingress", "service", "host", "path"),
		Help:   "Bytes of request bodies; of ingress-nginx with their heads. There is one bucket, for their sum and number."}
	nginxResponseSize = exposition.Family{Name: "nginx_ingress_controller_response_size", Type: exposition.Histogram,
		Labels: controller("namespace", "ingress", "service", "host", "path"),
		Help:   "Bytes of the bodies of answers; of ingress-nginx with their heads. There is one bucket, for their sum and number."}
	nginxConnections = exposition.Family{Name: "nginx_ingress_controller_nginx_process_connections", Type: exposition.Gauge,
		Labels: controller("state"),
		Help:   "Open connections of clients, state active."}
	nginxCPU = exposition.Family{Name: "nginx_ingress_controller_nginx_process_cpu_seconds_total", Type: exposition.Counter, Labels: controller(),
		Help: "Time of this process on processors (not on Windows)."}
	nginxMemory = exposition.Family{Name: "nginx_ingress_controller_nginx_process_resident_memory_bytes", Type: exposition.Gauge, Labels: controller(),
		Help: "Memory of this process that is in RAM (Linux only)."}
	nginxHash = exposition.Family{Name: "nginx_ingress_controller_config_hash", Type: exposition.Gauge, Labels: controller(),
		Help: "Number of the generation of rules that was published last. Dashboards find the controllers by it."}
	nginxReloaded = exposition.Family{Name: "nginx_ingress_controller_config_last_reload_successful", Type: exposition.Gauge, Labels: controller(),
		Help: "1 while every plane serves the last generation of rules. Nothing is reloaded."}
	nginxReloadedAt = exposition.Family{Name: "nginx_ingress_controller_config_last_reload_successful_timestamp_seconds", Type: exposition.Gauge, Labels: controller(),
		Help: "When the last generation was published, in seconds since 1970."}
	nginxReloads = exposition.Family{Name: "nginx_ingress_controller_success", Type: exposition.Counter, Labels: controller(),
		Help: "Generations of rules that were published."}
	nginxExpiry = exposition.Family{Name: "nginx_ingress_controller_ssl_expire_time_seconds", Type: exposition.Gauge,
		Labels: controller("namespace", "secret_name", "host"),
		Help:   "When the certificate of a Secret ends, in seconds since 1970."}
)

// NginxGroup are the metrics that are written where Parts.Nginx is set.
func NginxGroup() Group {
	return Group{"Under the names of ingress-nginx", []*exposition.Family{&nginxRequests, &nginxDuration, &nginxHeader, &nginxResponse, &nginxLatency,
		&nginxRequestSize, &nginxResponseSize, &nginxConnections, &nginxCPU, &nginxMemory, &nginxHash, &nginxReloaded, &nginxReloadedAt, &nginxReloads, &nginxExpiry}, (*page).nginx}
}

// nginxView is what metrics by Ingress need of a generation. It is made anew when there is a new one.
type nginxView struct {
	of     *snapshot.Snapshot
	routes map[model.RouteID]*snapshot.Route // of Ingresses
	ends   []certificateEnd
}

type certificateEnd struct {
	namespace, secret, host string
	at                      time.Time
}

const kindIngress = "Ingress"

// follow looks at a generation.
func (v *nginxView) follow(s *snapshot.Snapshot) {
	if v.of == s {
		return
	}
	*v = nginxView{of: s, routes: map[model.RouteID]*snapshot.Route{}}
	for _, class := range s.Classes() {
		for _, table := range s.Site(class).All() {
			for _, r := range table.Routes() {
				if r.Origin.Kind == kindIngress {
					v.routes[r.ID] = r
				}
			}
		}
	}
	for _, c := range s.Contents().Certificates {
		block, _ := pem.Decode([]byte(c.Chain))
		if block == nil || c.Secret == "" {
			continue
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // compile has told it
		}
		namespace, name, _ := strings.Cut(c.Secret, "/")
		for _, h := range c.Hosts {
			v.ends = append(v.ends, certificateEnd{namespace, name, string(h), leaf.NotAfter})
		}
	}
}

// ingressLabels are the values that the requests of a route have.
type ingressLabels struct{ namespace, ingress, service, host, path string }

func labelsOf(r *snapshot.Route) ingressLabels {
	l := ingressLabels{namespace: r.Origin.Namespace, ingress: r.Origin.Name, host: "_", path: r.Match.Path.Value}
	if len(r.Hosts) > 0 {
		l.host = string(r.Hosts[0])
	}
	if len(r.Upstreams) > 0 && r.Upstreams[0] != nil {
		l.service = r.Upstreams[0].Origin.Name
	}
	return l
}

// canaryOf is the value of the label canary for requests of a route that an upstream has served: empty where that is the main one.
func canaryOf(r *snapshot.Route, served model.UpstreamID) string {
	for i, u := range r.Upstreams {
		if i > 0 && u != nil && u.ID == served {
			_, port, _ := strings.Cut(string(u.ID), ":")
			return strings.Join([]string{u.Origin.Namespace, u.Origin.Name, port}, "-")
		}
	}
	return ""
}

// ingressTotals are sums over the routes of one set of labels: an Exact and a Prefix of one path, for example, which
// ingress-nginx has no labels for.
type ingressTotals struct {
	ingressLabels
	httpproxy.Totals
}

// byIngress sums the counts of routes up by the labels that of leaves.
func (p *page) byIngress(of func(ingressLabels) ingressLabels) []*ingressTotals {
	index, out := map[ingressLabels]*ingressTotals{}, []*ingressTotals(nil)
	for i, id := range p.counts.RouteIDs {
		route := p.view.routes[id]
		if route == nil {
			continue
		}
		l := of(labelsOf(route))
		t := index[l]
		if t == nil {
			t = &ingressTotals{ingressLabels: l}
			index[l], out = t, append(out, t)
		}
		t.Add(&p.counts.Routes[i])
	}
	return out
}

func (p *page) nginx() {
	p.view.follow(p.Generations.Load())
	fixed := []string{p.Nginx.Class, p.Nginx.Namespace, p.Nginx.Pod}
	with := func(labels ...string) []string { return append(fixed[:3:3], labels...) }
	p.nginxRequests(with)
	bounds := bounds()
	all := p.byIngress(func(l ingressLabels) ingressLabels { return l })
	each := func(f *exposition.Family, add func(t *ingressTotals, labels []string)) {
		p.Begin(f)
		for _, t := range all {
			add(t, with(t.namespace, t.ingress, t.service, t.host, t.path))
		}
	}
	each(&nginxDuration, func(t *ingressTotals, labels []string) { durations(p, bounds, &t.Latency, labels...) })
	each(&nginxHeader, func(t *ingressTotals, labels []string) { durations(p, bounds, &t.FirstByte, labels...) })
	each(&nginxResponse, func(t *ingressTotals, labels []string) { durations(p, bounds, &t.Latency, labels...) })
	p.Begin(&nginxLatency)
	for _, t := range p.byIngress(func(l ingressLabels) ingressLabels { l.host, l.path = "", ""; return l }) {
		durations(p, bounds, &t.FirstByte, with(t.namespace, t.ingress, t.service)...)
	}
	each(&nginxRequestSize, func(t *ingressTotals, labels []string) {
		p.Buckets(nil, []uint64{t.Requests()}, float64(t.In), labels...)
	})
	each(&nginxResponseSize, func(t *ingressTotals, labels []string) {
		p.Buckets(nil, []uint64{t.Requests()}, float64(t.Out), labels...)
	})
	p.nginxProcess(with)
	p.Begin(&nginxExpiry)
	for _, e := range p.view.ends {
		p.Since(e.at, with(e.namespace, e.secret, e.host)...)
	}
}

// nginxRequests sums listeners up as well, which ingress-nginx does not tell apart.
func (p *page) nginxRequests(with func(...string) []string) {
	type key struct {
		ingressLabels
		canary, status string
	}
	sums, order := map[key]uint64{}, []key(nil)
	for _, r := range p.counts.Requests {
		route := p.view.routes[r.Route]
		if route == nil {
			continue
		}
		for class, n := range r.Class {
			k := key{labelsOf(route), canaryOf(route, r.Upstream), classes[class]}
			if n == 0 {
				continue
			}
			if _, known := sums[k]; !known {
				order = append(order, k)
			}
			sums[k] += n
		}
	}
	p.Begin(&nginxRequests)
	for _, k := range order {
		p.Count(sums[k], with(k.namespace, k.ingress, k.service, k.canary, k.host, k.path, k.status)...)
	}
}

func (p *page) nginxProcess(with func(...string) []string) {
	open := 0
	for _, s := range p.Sockets.Sockets() {
		open += int(s.Open)
	}
	p.Begin(&nginxConnections)
	p.Value(float64(open), with("active")...)
	p.Begin(&nginxCPU)
	if d, ok := processorTime(); ok {
		p.Seconds(d, with()...)
	}
	p.Begin(&nginxMemory)
	if _, _, bytes := usage(); bytes > 0 {
		p.Count(bytes, with()...)
	}
	work, newest := p.Control.Work(), p.Generations.Load().Version()
	p.Begin(&nginxHash)
	p.Count(newest, with()...)
	current := true
	for _, s := range p.Generations.Planes() {
		current = current && s.Version == newest
	}
	p.Begin(&nginxReloaded)
	p.Bool(current, with()...)
	p.Begin(&nginxReloadedAt)
	p.Since(work.Last, with()...)
	p.Begin(&nginxReloads)
	p.Count(work.Generations, with()...)
}
