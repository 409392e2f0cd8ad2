package kubernetes

import (
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"paifang/internal/source/kubernetes/apitest"
)

const registrationObjects = `
apiVersion: v1
kind: Secret
metadata: {name: hook, namespace: paifang-system, labels: {kept: "yes"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: paifang}
webhooks:
- {name: one.paifang.dev, failurePolicy: Ignore, timeoutSeconds: 2, clientConfig: {service: {name: hook, namespace: paifang-system, path: /validate}}}
- {name: two.paifang.dev, clientConfig: {url: "https://hook.test:9443/validate"}}
`

func TestRegistration(t *testing.T) {
	api := apitest.New(t)
	api.Apply(registrationObjects)
	client, err := Connect(Access{Kubeconfig: api.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r, ctx := &Registration{Client: client, Configuration: "paifang", Secret: "hook"}, t.Context()
	if names, err := r.Names(ctx); err != nil || !slices.Equal(names, []string{"hook.paifang-system.svc", "hook.test"}) {
		t.Errorf("names %v, %v", names, err)
	}
	for range 2 { // the second time there is nothing to write
		if err := r.Trust(ctx, []byte("authority")); err != nil {
			t.Fatal(err)
		}
	}
	if n := api.Requests()["update validatingwebhookconfigurations"]; n != 1 {
		t.Errorf("written %d times", n)
	}
	hooks := api.Get("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", "", "paifang")["webhooks"].([]any)
	for _, h := range hooks {
		if c := h.(map[string]any)["clientConfig"].(map[string]any); c["caBundle"] != "YXV0aG9yaXR5" {
			t.Errorf("%v", c)
		}
	}
	if one := hooks[0].(map[string]any); one["failurePolicy"] != "Ignore" || one["timeoutSeconds"] != 2.0 {
		t.Errorf("the rest of it was changed: %v", one)
	}

	data, version, err := r.Load(ctx)
	if err != nil || len(data) != 0 {
		t.Fatalf("loaded %v, %v", data, err)
	}
	if err := r.Save(ctx, map[string][]byte{"tls.crt": []byte("x")}, version); err != nil {
		t.Fatal(err)
	}
	if err := r.Save(ctx, nil, version); !apierrors.IsConflict(err) {
		t.Errorf("saved over what another one saved: %v", err)
	}
	if data, _, err = r.Load(ctx); err != nil || string(data["tls.crt"]) != "x" {
		t.Errorf("loaded %q, %v", data, err)
	}
	if _, err := (&Registration{Client: client, Configuration: "other", Secret: "hook"}).Names(ctx); !apierrors.IsNotFound(err) {
		t.Errorf("a registration that does not exist: %v", err)
	}
}
