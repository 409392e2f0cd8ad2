package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// object is one document of a file: enough of it for what is asked here, since this module has no reader of YAML.
type object struct{ kind, text string }

func objects(text string) (out []object) {
	kind := regexp.MustCompile(`(?m)^kind: (\w+)$`)
	for doc := range strings.SplitSeq(text, "\n---\n") {
		if m := kind.FindStringSubmatch(doc); m != nil {
			out = append(out, object{m[1], doc})
		}
	}
	return out
}

// field is what follows a key on its line, the first time that it is there.
func (o object) field(key string) string {
	m := regexp.MustCompile(`(?m)^\s*(?:- )?` + regexp.QuoteMeta(key) + `: ?(.*)$`).FindStringSubmatch(o.text)
	if m == nil {
		return ""
	}
	return m[1]
}

// labels are those that the first selector of an object asks for.
func (o object) labels() string {
	return strings.Join(strings.Fields(regexp.MustCompile(`matchLabels:((?:\n\s+app\.kubernetes\.io/[a-z]+: \S+)+)`).FindString(o.text)), " ")
}

// TestPodsAreAskedAndKept: every pod is asked whether it has started, is ready and lives, at a port that it has and its configuration
// opens, and of several pods no two are taken away at once on purpose.
func TestPodsAreAskedAndKept(t *testing.T) {
	files := map[string]string{"daemonset.yaml": DaemonSet, "deployment.yaml": Deployment, "daemonset-webhook.yaml": DaemonSetWebhook, "deployment-webhook.yaml": DeploymentWebhook,
		"gateway.yaml": Gateway, "gateway-services.yaml": GatewayServices, "registry.yaml": Registry, "registry-etcd.yaml": RegistryEtcd}
	for name, text := range files {
		all := objects(text)
		workloads := 0
		for _, w := range all {
			if !slices.Contains([]string{"Deployment", "DaemonSet", "StatefulSet"}, w.kind) {
				continue
			}
			workloads++
			for probe, path := range map[string]string{"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"} {
				if got := w.field(probe); !strings.HasPrefix(got, "{httpGet: {path: "+path+", port: health}, periodSeconds: ") || !strings.Contains(got, "timeoutSeconds: ") || !strings.Contains(got, "failureThreshold: ") {
					t.Errorf("%s: %s of the %s is %q", name, probe, w.kind, got)
				}
			}
			port := regexp.MustCompile(`\{name: health, containerPort: (\d+)\}`).FindStringSubmatch(w.text)
			if port == nil {
				t.Errorf("%s: the %s has no port health", name, w.kind)
				continue
			}
			if !slices.ContainsFunc(all, func(o object) bool { return o.kind == "ConfigMap" && o.field("public") == "0.0.0.0:"+port[1] }) {
				t.Errorf("%s: no configuration opens port %s", name, port[1])
			}
			one := w.kind == "StatefulSet" && w.field("replicas") == "1"
			budgets := 0
			for _, o := range all {
				if o.kind == "PodDisruptionBudget" && o.labels() == w.labels() && o.labels() != "" {
					budgets++
					if o.field("maxUnavailable") != "1" || o.field("minAvailable") != "" {
						t.Errorf("%s: so many pods may be missing: %q", name, o.field("maxUnavailable"))
					}
				}
			}
			if want := map[bool]int{false: 1, true: 0}[one]; budgets != want { // of a single pod it would only hold up who empties a node
				t.Errorf("%s: %d budgets for the pods of the %s, want %d", name, budgets, w.kind, want)
			}
		}
		if workloads != 1 {
			t.Errorf("%s has %d workloads", name, workloads)
		}
	}
}

// TestBudgetIsAValue: it can be another, or left out.
func TestBudgetIsAValue(t *testing.T) {
	for values, want := range map[string]string{
		"": "1", "podDisruptionBudget.maxUnavailable=50%": "50%", "podDisruptionBudget.create=false": "",
	} {
		f := File{Name: "test", Values: []string{"kind=Deployment"}}
		if values != "" {
			f.Values = append(f.Values, values)
		}
		text, err := Render("..", f)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, o := range objects(text) {
			if o.kind == "PodDisruptionBudget" {
				got += fmt.Sprint(o.field("maxUnavailable"))
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", values, got, want)
		}
	}
}
