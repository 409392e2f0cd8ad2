package translate

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestBehavior: the annotation of a class decides how the paths of its Ingresses are spelled, and says what their authors
// expect of the listeners.
func TestBehavior(t *testing.T) {
	text := `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: ours, annotations: {paifang.dev/behavior: nginx}}
spec: {controller: paifang.dev/controller}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: ours
  defaultBackend: {service: {name: web, port: {number: 80}}}
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`
	look := func(text string) (modes []model.TargetMode, wants []model.Expectation, says []string) {
		s := New(Options{})
		putAll(t, s, "a.yaml", []byte(text))
		for _, g := range s.All() {
			for _, r := range g.Objects.Routes {
				modes = append(modes, r.Action.(model.Forward).Target)
			}
			wants = append(wants, g.Objects.Expectations...)
			for _, d := range g.Objects.Diagnostics {
				says = append(says, string(d.Code)+" "+d.Message)
			}
		}
		return modes, wants, says
	}
	modes, wants, says := look(text)
	if !slices.Equal(modes, []model.TargetMode{"received", "received", "received"}) || len(wants) != 1 || wants[0].Class != "ingress" ||
		wants[0].Parsing.Underscores != model.UnderscoresDrop || wants[0].Origin.Name != "ours" || len(says) != 0 {
		t.Errorf("nginx: %v %+v %v", modes, wants, says)
	}
	for how, complaint := range map[string]string{"spec": "", "apache": `invalid "apache" is neither spec nor nginx`} {
		modes, wants, says := look(strings.Replace(text, "behavior: nginx", "behavior: "+how, 1))
		if !slices.Equal(modes, []model.TargetMode{"", "", ""}) || len(wants) != 0 || (complaint == "") != (len(says) == 0) || !strings.HasPrefix(strings.Join(says, ""), complaint) {
			t.Errorf("%s: %v %+v %v", how, modes, wants, says)
		}
	}
	if _, wants, _ := look(strings.Replace(text, "controller: paifang.dev/controller", "controller: somebody/else", 1)); len(wants) != 0 {
		t.Errorf("the class of another controller: %+v", wants)
	}
}
