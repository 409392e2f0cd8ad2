package installation

import (
	"slices"
	"testing"
)

func TestController(t *testing.T) {
	flags := []string{"--configmap=a/b", "--v=2"}
	for _, c := range []struct {
		image         string
		command, args []string
		is            bool
	}{
		{"registry.k8s.io/ingress-nginx/controller:v1.12.0@sha256:01", nil, append([]string{"/nginx-ingress-controller"}, flags...), true},
		{"localhost:5000/ingress-nginx/controller", nil, flags, true},
		{"registry.k8s.io/ingress-nginx/controller-chroot:v1.12.0", nil, flags, true},
		{"mirror.test/library/nginx-ingress-controller:0.30.0", nil, flags, true},
		{"mirror.test/ingress-nginx-controller:v1", nil, flags, true},
		{"own:1", []string{"/usr/bin/dumb-init", "--", "/nginx-ingress-controller"}, flags, true},
		{"own:1", []string{"/usr/bin/dumb-init", "--", "/nginx-ingress-controller", flags[0]}, flags[1:], true},
		{"registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.5.0", nil, []string{"create"}, false},
		{"registry.k8s.io/ingress-nginx/controller:v1.12.0", []string{"/bin/sh"}, flags, false},
		{"nginx/nginx-ingress:4.0.0", nil, flags, false},
		{"shop/controller:1", nil, flags, false},
		{"", nil, nil, false},
	} {
		got, is := Controller(c.image, c.command, c.args)
		if is != c.is || is && !slices.Equal(got, flags) {
			t.Errorf("%q %v %v: %v %v, want %v", c.image, c.command, c.args, is, got, c.is)
		}
	}
}
