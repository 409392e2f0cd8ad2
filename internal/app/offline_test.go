package app

import (
	"os"
	"path/filepath"
	"testing"

	"paifang/internal/model"
)

// TestAnnotationPrefix reads annotations under another prefix than ingress-nginx' own, as with its --annotations-prefix.
func TestAnnotationPrefix(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yaml")
	const text = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    edge.example.com/permanent-redirect: https://new.test/
    nginx.ingress.kubernetes.io/app-root: /start
spec:
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]string{"": "nginx.ingress.kubernetes.io/app-root", "edge.example.com": "edge.example.com/permanent-redirect"} {
		all, err := offlineGroups(&Config{Sources: Sources{Manifests: []string{file}, AnnotationPrefix: prefix}}, Adopt{})
		if err != nil {
			t.Fatal(err)
		}
		var served []string
		for _, d := range compiled(all).snap.Diagnostics() {
			if d.Code == model.CodeAnnotationServed {
				served = append(served, d.Field)
			}
		}
		if len(served) != 1 || served[0] != "metadata.annotations["+want+"]" {
			t.Errorf("prefix %q: served are %q, want %s alone", prefix, served, want)
		}
	}
}
