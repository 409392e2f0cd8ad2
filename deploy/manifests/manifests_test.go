package manifests

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestFilesAreTheChart renders the chart again.
func TestFilesAreTheChart(t *testing.T) {
	have := map[string]string{"daemonset.yaml": DaemonSet, "deployment.yaml": Deployment, "daemonset-webhook.yaml": DaemonSetWebhook, "deployment-webhook.yaml": DeploymentWebhook,
		"gateway.yaml": Gateway, "gateway-services.yaml": GatewayServices, "registry.yaml": Registry, "registry-etcd.yaml": RegistryEtcd}
	for _, f := range Files() {
		want, err := Render("..", f)
		if err != nil {
			t.Fatal(err)
		}
		if want != have[f.Name] {
			t.Errorf("%s is not what the chart makes: run make manifests", f.Name)
		}
	}
}

// TestValues renders what the plain files do not have.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		values []string
		has    []string
		lacks  []string
	}{
		{[]string{"kind=DaemonSet"}, []string{"hostNetwork: true", "kind: ClusterRole\n"}, []string{"kind: Service\n", "  service:"}},
		{[]string{"kind=DaemonSet", "service.create=true", "service.nodePorts.http=30080", "hostNetwork=false"},
			[]string{"kind: Service\n", "nodePort: 30080", "service: paifang/paifang"}, []string{"hostNetwork: true", "nodes]"}},
		{[]string{"namespaces={shop,blog}"}, []string{"namespace: shop", "namespace: blog", "kind: RoleBinding\n", "- shop"}, nil},
		{[]string{"namespaceSelector=team=shop"}, []string{"namespaceSelector: team=shop", "resources: [namespaces]"}, []string{"namespaces: ["}},
		{[]string{"namespaceSelector=team=shop", "namespaces={shop}"}, []string{"- shop"}, []string{"namespaceSelector", "resources: [namespaces]"}},
		{[]string{"publish.nodes=internal"}, []string{"nodes: internal", "pods: app.kubernetes.io/name=paifang,app.kubernetes.io/instance=paifang", "resources: [pods]"}, []string{"resources: [nodes]"}},
		{[]string{"publish.nodes=external"}, []string{"nodes: external", "resources: [pods]", "resources: [nodes]"}, nil},
		{[]string{"publish.addresses={192.0.2.1}", "events=false"}, []string{"- 192.0.2.1", "events: false"}, []string{"resources: [events]"}},
		{[]string{"kind=Deployment", "publish.enabled=false"}, []string{"leave: 6s"}, []string{"publish:"}},
		// The Service is followed by its name where its namespace is not among those that are read, and only there.
		{[]string{"kind=Deployment", "namespaces={shop}"}, []string{"name: paifang-publish\n  namespace: paifang\n", "resources: [services], resourceNames: [paifang], verbs: [get, list, watch]"}, nil},
		{[]string{"service.create=true", "namespaces={shop}"}, []string{"name: paifang-publish\n  namespace: paifang\n", "resources: [services], resourceNames: [paifang], verbs: [get, list, watch]"}, nil},
		{[]string{"publish.service=edge/front", "namespaces={shop}"}, []string{"name: paifang-publish\n  namespace: edge\n", "resourceNames: [front]"}, nil},
		{[]string{"config.sources.kubernetes.publish.service=edge/front", "namespaces={shop}"}, []string{"name: paifang-publish\n  namespace: edge\n", "resources: [ingresses/status]"}, nil},
		{[]string{"kind=Deployment", "namespaces={shop,paifang}"}, []string{"resources: [ingresses/status]"}, []string{"paifang-publish"}},
		{[]string{"kind=Deployment", "namespaceSelector=team=shop"}, []string{"resources: [ingresses/status]"}, []string{"paifang-publish"}},
		{[]string{"namespaces={shop}"}, []string{"resources: [leases]"}, []string{"paifang-publish", "ingresses/status"}},
		// Rights to write are there where something is written.
		{[]string{"publish.addresses={192.0.2.1}"}, []string{"resources: [ingresses/status], verbs: [patch]"}, nil},
		{[]string{"publish.addresses={192.0.2.1}", "publish.enabled=false", "publish.nodes=external"}, []string{"resources: [leases]"}, []string{"ingresses/status", "resources: [pods]", "resources: [nodes]"}},
		{[]string{"events=false"}, nil, []string{"resources: [leases]", "resources: [events]", "paifang-lease"}},
		{[]string{"config.sources.kubernetes.events=false"}, nil, []string{"resources: [leases]", "resources: [events]"}},
		{[]string{"events=false", "publish.nodes=internal"}, []string{"resources: [leases]", "resources: [pods]", "resources: [ingresses/status]"}, []string{"resources: [events]"}},
		{[]string{"nodes=true"}, []string{"resources: [nodes]"}, nil},
		{[]string{"ingressClass.adopt={nginx}", "ingressClass.default=true"}, []string{"adopt:", "- nginx", `is-default-class: "true"`}, nil},
		{[]string{"metrics.nginxNames=true", "metrics.rules=true", "metrics.podMonitor=true", "metrics.dashboard=true"},
			[]string{"nginx: true", "kind: PrometheusRule", "PaifangErrors", "kind: PodMonitor", `grafana_dashboard: "1"`}, nil},
		{[]string{"webhook.enabled=true", "webhook.deny=true"}, []string{"kind: ValidatingWebhookConfiguration", "failurePolicy: Ignore", "deny: true", "configuration: paifang", "resourceNames: [paifang-webhook]",
			"containerPort: 9443"}, []string{"cert-manager"}},
		{[]string{"webhook.enabled=true", "webhook.certManager.enabled=true"}, []string{"inject-ca-from: paifang/paifang-webhook", "kind: Issuer\n", "kind: Certificate\n", "cert: /etc/paifang-webhook/tls.crt",
			"secretName: paifang-webhook"}, []string{"register:", "validatingwebhookconfigurations"}},
		{[]string{"webhook.enabled=true", "webhook.certManager.enabled=true", "webhook.certManager.issuerRef.kind=ClusterIssuer", "webhook.certManager.issuerRef.name=internal"},
			[]string{`issuerRef: {"kind":"ClusterIssuer","name":"internal"}`}, []string{"kind: Issuer\n"}},
		{[]string{"gateway.enabled=true", "registry.enabled=true"}, []string{"kind: DaemonSet", "kind: StatefulSet", "address: paifang-registry:8848", "username: nacos"}, nil},
		{[]string{"ingress.enabled=false", "gateway.enabled=true", "gateway.nacos.address=nacos.test:8848", "gateway.nacos.username=", "gateway.nacos.namespace=shop", "gateway.advertise=192.0.2.1",
			"gateway.registerAs=front", "gateway.routes.a\\.yml=spring: {}", "gateway.config.gateway.http1Only=true", "gateway.service.nodePort=30080"},
			[]string{"address: nacos.test:8848", "namespace: shop", "advertise: 192.0.2.1", "service: front", "a.yml: |\n    spring: {}", "http1Only: true", "http: 0.0.0.0:8080", "nodePort: 30080"},
			[]string{"paifang-registry", "ClusterRole", "IngressClass", "serviceAccountName", "password"}},
		{[]string{"ingress.enabled=false", "gateway.enabled=true", "gateway.nacos.address=nacos.test:8848", "gateway.routesFrom=mine"}, []string{`"configMap":{"name":"mine"}`}, []string{"gateway-routes"}},
		{[]string{"ingress.enabled=false", "gateway.enabled=true", "gateway.kubernetes.enabled=true"},
			[]string{"ingresses: false", "namespace: paifang\n", "kind: ClusterRole\n", "resources: [endpointslices]", "serviceAccountName: paifang-gateway", "service: '-'"},
			[]string{"nacos", "kind: Role\n", "secrets", "automountServiceAccountToken", "password", "ingressclasses", "leases"}},
		{[]string{"ingress.enabled=false", "gateway.enabled=true", "gateway.kubernetes.enabled=true", "gateway.kubernetes.namespace=shop", "gateway.kubernetes.namespaces={shop,pay}", "gateway.nacos.address=nacos.test:8848"},
			[]string{"namespace: shop\n", "namespace: pay\n", "- pay\n", "kind: RoleBinding\n", "address: nacos.test:8848", "service: paifang-gateway"}, []string{"ClusterRole"}},
		{[]string{"ingress.enabled=false", "registry.enabled=true", "registry.auth=off", "registry.volume.claim=disk", "registry.config.registry.addresses={10.244.0.0/16}"},
			[]string{`auth: "off"`, `"persistentVolumeClaim":{"claimName":"disk"}`, "- 10.244.0.0/16", "leave: -1s"}, []string{"password", "volumeClaimTemplates", "kind: Deployment", "gateway"}},
		{[]string{"ingress.enabled=false", "registry.enabled=true", "registry.volume.storageClass=fast", "registry.volume.size=2Gi"}, []string{"storageClassName: fast", "storage: 2Gi"}, []string{"emptyDir: {}\n      - name: data"}},
		{[]string{"ingress.enabled=false", "registry.enabled=true", "registry.storage=etcd", "registry.etcd.endpoints={https://a:2379,https://b:2379}", "registry.etcd.tlsSecret=client"},
			[]string{"kind: Deployment", "replicas: 3", "- https://b:2379", "ca: /etc/paifang-etcd/ca.crt", `"secretName":"client"`, "leave: 6s", "kind: PodDisruptionBudget"}, []string{"StatefulSet", "volumeClaim"}},
		{[]string{"config.drain=1m", "config.limits.connections=1000"}, []string{"drain: 1m", "connections: 1000"}, []string{"drain: 30s"}},
	} {
		text, err := Render("..", File{Name: "test", Values: c.values})
		if err != nil {
			t.Errorf("%v: %v", c.values, err)
			continue
		}
		for _, s := range c.has {
			if !strings.Contains(text, s) {
				t.Errorf("%v: there is no %q", c.values, s)
			}
		}
		for _, s := range c.lacks {
			if strings.Contains(text, s) {
				t.Errorf("%v: there is %q", c.values, s)
			}
		}
	}
	for _, wrong := range [][]string{{"kind=StatefulSet"}, {"gateway.enabled=true"}, {"registry.enabled=true", "registry.storage=disk"}, {"registry.enabled=true", "registry.storage=etcd"},
		{"registry.enabled=true", "registry.auth=maybe"}} {
		if _, err := Render("..", File{Name: "test", Values: wrong}); err == nil {
			t.Errorf("%v is rendered", wrong)
		}
	}
}

// TestNobodyIsRoot looks at what the security of a pod rests on.
func TestNobodyIsRoot(t *testing.T) {
	for _, text := range []string{DaemonSet, Deployment, DaemonSetWebhook, DeploymentWebhook, Gateway, GatewayServices, Registry, RegistryEtcd} {
		for _, s := range []string{"runAsNonRoot: true", "allowPrivilegeEscalation: false", "readOnlyRootFilesystem: true",
			"capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}", "seccompProfile: {type: RuntimeDefault}"} {
			if !strings.Contains(text, s) {
				t.Errorf("there is no %q", s)
			}
		}
		if strings.Contains(text, `"*"`) || strings.Contains(text, "cluster-admin") {
			t.Error("RBAC names everything")
		}
	}
}

// TestMetricsExist finds every metric that the dashboard and the alerts ask for in docs/metrics.md, which a test of the product
// compares with what it writes.
func TestMetricsExist(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(page), -1) {
		known[m[1]] = m[2]
	}
	if len(known) < 50 {
		t.Fatalf("the page has %d metrics", len(known))
	}
	name := regexp.MustCompile(`\b(?:paifang|process|go)_[a-z0-9_]+`)
	for _, file := range []string{"../chart/dashboards/paifang.json", "../chart/alerts/paifang.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		asked := name.FindAllString(string(b), -1)
		if len(asked) < 8 {
			t.Errorf("%s asks for %d metrics", file, len(asked))
		}
		for _, m := range asked {
			family := m
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if f := strings.TrimSuffix(m, suffix); known[f] == "histogram" {
					family = f
				}
			}
			if known[family] == "" {
				t.Errorf("%s asks for %s, which docs/metrics.md does not have", file, m)
			}
		}
	}
}

// TestDashboardIsWhole: every panel has a place of its own and asks for something.
func TestDashboardIsWhole(t *testing.T) {
	b, err := os.ReadFile("../chart/dashboards/paifang.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Type != "row" && (len(p.Targets) == 0 || p.Targets[0].Expr == "") {
			t.Errorf("%s asks for nothing", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
