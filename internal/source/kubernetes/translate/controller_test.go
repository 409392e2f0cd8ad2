package translate

import (
	"slices"
	"strings"
	"testing"
)

const controllerFile = `apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: ingress-nginx}
spec:
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
      - name: controller
        image: registry.k8s.io/ingress-nginx/controller:v1.12.0
        args:
        - /nginx-ingress-controller
        - --configmap=$(POD_NAMESPACE)/settings
        - --tcp-services-configmap=$(POD_NAMESPACE)/none
        - --v=3
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: ingress-nginx}
data: {hsts: "false", worker-processes: "4"}
`

// TestControllerInAFile: what a file has of ingress-nginx's controller has verdicts with its lines, once.
func TestControllerInAFile(t *testing.T) {
	for _, kind := range []string{"Deployment", "DaemonSet"} {
		s := New(Options{})
		text := strings.Replace(controllerFile, "kind: Deployment", "kind: "+kind, 1)
		putAll(t, s, "nginx.yaml", []byte(text))
		said := func() []string {
			var out []string
			for _, g := range s.All() {
				for _, d := range g.Objects.Diagnostics {
					if strings.HasPrefix(string(d.Code), "setting-") || d.Field == "--tcp-services-configmap" {
						out = append(out, d.Origin.String()+" "+string(d.Code)+" "+d.Field)
					}
				}
			}
			slices.Sort(out)
			return out
		}
		args := kind + " ingress-nginx/controller (nginx.yaml:12) "
		keys := "ConfigMap ingress-nginx/settings (nginx.yaml:21) "
		want := []string{
			keys + "setting-differs data.hsts", keys + "setting-ignored data.worker-processes", args + "invalid --tcp-services-configmap",
			args + "setting-ignored --v", args + "setting-served --configmap", args + "setting-served --tcp-services-configmap",
		}
		slices.Sort(want)
		if got := said(); !slices.Equal(got, want) {
			t.Errorf("%s: said\n%s\nwant\n%s", kind, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		s.Delete(Key{Kind(kind), "ingress-nginx", "controller"})
		s.Changed()
		if got := said(); len(got) > 0 {
			t.Errorf("%s: when it is gone it still says %q", kind, got)
		}
	}
}
