package kubernetes

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/apitest"
)

// shows are the addresses that an Ingress has in its status at the server.
func shows(api *apitest.Server, name string) string {
	o := api.Get("networking.k8s.io/v1", "ingresses", "shop", name)
	status, _ := o["status"].(map[string]any)
	lb, _ := status["loadBalancer"].(map[string]any)
	list, _ := lb["ingress"].([]any)
	var out []string
	for _, i := range list {
		m := i.(map[string]any)
		out = append(out, fmt.Sprint(m["ip"], m["hostname"]))
	}
	return strings.ReplaceAll(strings.Join(out, ","), "<nil>", "")
}

func writer(o *Options) {
	o.Publish.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	o.Lease.Duration = 300 * time.Millisecond
}

func TestStatus(t *testing.T) {
	foreign := strings.NewReplacer("name: web, namespace", "name: theirs, namespace", "ingressClassName: paifang", "ingressClassName: other").Replace(web)
	api := apitest.New(t)
	api.Apply(cluster + "\n---\n" + foreign)
	f := follow(t, api, writer)
	eventually(t, "the address is written", func() bool { return shows(api, "web") == "192.0.2.7" })
	if got := shows(api, "theirs"); got != "" {
		t.Errorf("the status of an ingress of another class was written: %s", got)
	}
	f.until("listed", func() bool { return f.fulls == 1 })
	n := api.Requests()["patch ingresses/status"]
	api.Apply(strings.Replace(web, "path: /,", "path: /next,", 1) + "status: {loadBalancer: {ingress: [{ip: 192.0.2.7}]}}\n")
	f.until("the change is seen", func() bool { return f.groups["ingress/shop.test/shop/web"].Routes[0].Match.Path.Value == "/next" })
	if m := api.Requests()["patch ingresses/status"]; m != n {
		t.Errorf("a status that is right was written %d times again", m-n)
	}
}

func TestStatusFromService(t *testing.T) {
	const front = `
apiVersion: v1
kind: Service
metadata: {name: front, namespace: paifang-system}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`
	api := apitest.New(t)
	api.Apply(cluster + "\n---\n" + front)
	f := follow(t, api, func(o *Options) {
		writer(o)
		o.Publish = Publish{Service: "paifang-system/front"}
		o.Namespaces = []string{"shop"} // the service is followed by its name
	})
	f.until("listed", func() bool { return f.fulls == 1 })
	if got := shows(api, "web"); got != "" {
		t.Errorf("shows %q before the balancer has an address", got)
	}
	api.Apply(front + "status: {loadBalancer: {ingress: [{hostname: lb.example.net}]}}\n")
	eventually(t, "the balancer's name is written", func() bool { return shows(api, "web") == "lb.example.net" })
	api.Apply(front + "status: {loadBalancer: {ingress: [{ip: 192.0.2.9}, {ip: 192.0.2.8}]}}\n")
	eventually(t, "its addresses are", func() bool { return shows(api, "web") == "192.0.2.8,192.0.2.9" })
}

// TestStatusFromServiceRefused: without the right to see the Service that is published everything is served, and that no status is
// written is told, until the right is there.
func TestStatusFromServiceRefused(t *testing.T) {
	t.Parallel()
	for _, selects := range []bool{false, true} {
		t.Run(fmt.Sprint("by label ", selects), func(t *testing.T) {
			api := apitest.New(t)
			api.Refuse("list services by name", 403)
			api.Apply(cluster + "\n---\n" + namespace("shop", "shop") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: paifang-system}\n" +
				"spec: {type: LoadBalancer, ports: [{port: 80}]}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}\n")
			f := follow(t, api, func(o *Options) {
				writer(o)
				o.Publish = Publish{Service: "paifang-system/front"}
				if selecting(o); !selects {
					o.NamespaceSelector, o.Namespaces = "", []string{"shop"}
				}
			})
			f.until("it is served", func() bool { return f.fulls == 1 && len(f.routes()) == 1 })
			told := func() bool {
				return slices.ContainsFunc(f.source.Diagnostics(), func(d model.Diagnostic) bool {
					return d.Code == model.CodeStatusUnknown && strings.Contains(d.Message, "services in paifang-system (metadata.name=front)")
				})
			}
			eventually(t, "it is told", told)
			if f.failed != nil || shows(api, "web") != "" {
				t.Errorf("failed %v, shows %q", f.failed, shows(api, "web"))
			}
			api.Refuse("list services by name", 0)
			eventually(t, "its address is shown", func() bool { return shows(api, "web") == "192.0.2.9" && !told() })
		})
	}
}

// TestStatusContest has another controller write the status each time that we do: we give in, and say so.
func TestStatusContest(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	f := follow(t, api, writer)
	other := strings.TrimPrefix(web, "\n") + "status: {loadBalancer: {ingress: [{ip: 198.51.100.1}]}}\n"
	eventually(t, "we give in", func() bool {
		if shows(api, "web") == "192.0.2.7" {
			api.Apply(other)
		}
		return len(f.source.Diagnostics()) == 1
	})
	d := f.source.Diagnostics()[0]
	if d.Code != model.CodeStatusContested || d.Origin.Name != "web" {
		t.Errorf("diagnostic %v", d)
	}
	if n := api.Requests()["patch ingresses/status"]; n != mostContests {
		t.Errorf("written %d times, want %d", n, mostContests)
	}
	api.Apply(strings.Replace(other, "metadata: {", "metadata: {generation: 2, ", 1))
	eventually(t, "a change of its rules begins anew", func() bool { return shows(api, "web") == "192.0.2.7" })
}

func TestLeaseHasOneWriter(t *testing.T) {
	api := apitest.New(t)
	client, err := Connect(Access{Kubeconfig: api.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var mu sync.Mutex
	leading, most := map[string]bool{}, 0
	var ends []context.CancelFunc
	var all sync.WaitGroup
	for i := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ends = append(ends, cancel)
		id := fmt.Sprint("replica-", i)
		e := newElection(client, Lease{Namespace: "paifang-system", Name: "paifang", Identity: id, Duration: 300 * time.Millisecond}, Options{Client: client}.withDefaults().Log)
		all.Go(func() {
			e.run(ctx, func(ctx context.Context) {
				mu.Lock()
				leading[id] = true
				most = max(most, len(leading))
				mu.Unlock()
				<-ctx.Done()
				mu.Lock()
				delete(leading, id)
				mu.Unlock()
			})
		})
	}
	who := func() (id string) {
		mu.Lock()
		defer mu.Unlock()
		for id := range leading {
			return id
		}
		return ""
	}
	eventually(t, "one leads", func() bool { return who() != "" })
	first := who()
	var i int
	_, _ = fmt.Sscanf(first, "replica-%d", &i)
	ends[i]()
	began := time.Now()
	eventually(t, "another one takes over", func() bool { return who() != "" && who() != first })
	t.Logf("taken over after %v", time.Since(began))
	api.Down()
	eventually(t, "nobody leads without the server", func() bool { return who() == "" })
	api.Up()
	eventually(t, "somebody leads again", func() bool { return who() != "" })
	for _, end := range ends {
		end()
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d led at once", most)
	}
}

func TestEvents(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	f := follow(t, api, func(o *Options) { o.Events = true; o.Lease.Duration = 300 * time.Millisecond })
	f.until("listed", func() bool { return f.fulls == 1 })
	about := func(code model.Code, severity model.Severity, message string) model.Diagnostic {
		return model.Diagnostic{Origin: model.Origin{Source: "kubernetes", Kind: "Ingress", Namespace: "shop", Name: "web"}, Field: "spec", Severity: severity, Code: code, Message: message}
	}
	report := func(all ...model.Diagnostic) {
		e := shard.Map[[]model.Diagnostic]{}.Edit()
		e.Set("Ingress shop/web", all)
		if err := f.source.Report(t.Context(), source.Report{Diagnostics: e.Map()}); err != nil {
			t.Fatal(err)
		}
	}
	foreign := about(model.CodeInvalid, model.Error, "of another source")
	foreign.Origin.Source = "manifest"
	report(about(model.CodeSecretMissing, model.Error, "no secret"), about(model.CodeAnnotationDiffers, model.Info, "differs"), about(model.CodeIgnored, model.Info, "a remark"), foreign)
	eventually(t, "both are written", func() bool { return len(api.List("v1", "events")) == 2 })
	report(about(model.CodeSecretMissing, model.Error, "no secret"), about(model.CodeInvalid, model.Warning, "new"))
	eventually(t, "what is new is written", func() bool { return len(api.List("v1", "events")) == 3 })
	if n := api.Requests()["create events"]; n != 3 {
		t.Errorf("%d writes for 3 events", n)
	}
	for _, e := range api.List("v1", "events") {
		about := e["involvedObject"].(map[string]any)
		if about["uid"] == "" || about["kind"] != "Ingress" || about["apiVersion"] != "networking.k8s.io/v1" || e["reason"] == "" || e["type"] == "" {
			t.Errorf("event %v", e)
		}
	}
}

func TestPace(t *testing.T) {
	p := pace{every: 20 * time.Millisecond, burst: 3}
	began := time.Now()
	for range 3 {
		p.wait(t.Context())
	}
	if took := time.Since(began); took > 15*time.Millisecond {
		t.Errorf("a burst took %v", took)
	}
	for range 3 {
		p.wait(t.Context())
	}
	if took := time.Since(began); took < 55*time.Millisecond {
		t.Errorf("six took %v, want three pauses", took)
	}
}
