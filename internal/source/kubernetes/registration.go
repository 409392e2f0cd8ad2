package kubernetes

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
)

// Registration is a ValidatingWebhookConfiguration, and the Secret in which the replicas behind it share what they serve it
// with. Both exist already: what is needed are rights to get and update the two by name, and none to create any.
type Registration struct {
	Client        *Client
	Configuration string // its name
	Secret        string // its name, in the client's namespace
}

// webhooksPath is where registrations are. Their types are not known to the client: one object is read, and kept as it is
// but for one field.
const webhooksPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

// Names are those under which the API server calls: of the Service, as name.namespace.svc, or the host of a URL.
func (r *Registration) Names(ctx context.Context) ([]string, error) {
	_, clients, err := r.configuration(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range clients {
		if s, ok := c["service"].(map[string]any); ok {
			out = append(out, fmt.Sprintf("%v.%v.svc", s["name"], s["namespace"]))
		} else if u, err := url.Parse(fmt.Sprint(c["url"])); err == nil && u.Hostname() != "" {
			out = append(out, u.Hostname())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Trust writes bundle where the API server looks for the authorities that it trusts, if something else stands there.
func (r *Registration) Trust(ctx context.Context, bundle []byte) error {
	whole, clients, err := r.configuration(ctx)
	if err != nil {
		return err
	}
	want, changed := base64.StdEncoding.EncodeToString(bundle), false
	for _, c := range clients {
		changed = changed || c["caBundle"] != want
		c["caBundle"] = want
	}
	if !changed {
		return nil
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return fmt.Errorf("kubernetes: write registration: %w", err)
	}
	err = r.rest().Put().AbsPath(webhooksPath, r.Configuration).SetHeader("Content-Type", runtime.ContentTypeJSON).Body(text).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("kubernetes: write validatingwebhookconfiguration %s: %w", r.Configuration, err)
	}
	return nil
}

// configuration reads the object, and returns the clientConfig of each of its webhooks as parts of it.
func (r *Registration) configuration(ctx context.Context) (whole map[string]any, clients []map[string]any, err error) {
	text, err := r.rest().Get().AbsPath(webhooksPath, r.Configuration).SetHeader("Accept", runtime.ContentTypeJSON).DoRaw(ctx)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		err = d.Decode(&whole)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("kubernetes: read validatingwebhookconfiguration %s: %w", r.Configuration, err)
	}
	hooks, _ := whole["webhooks"].([]any)
	for _, h := range hooks {
		hook, _ := h.(map[string]any)
		if c, ok := hook["clientConfig"].(map[string]any); ok {
			clients = append(clients, c)
		}
	}
	return whole, clients, nil
}

// Load returns the data of the Secret, and its version.
func (r *Registration) Load(ctx context.Context) (data map[string][]byte, version string, err error) {
	s, err := r.secret(ctx)
	if err != nil {
		return nil, "", err
	}
	return s.Data, s.ResourceVersion, nil
}

// Save replaces the data of the Secret as of a version; apierrors.IsConflict tells that it has changed since.
func (r *Registration) Save(ctx context.Context, data map[string][]byte, version string) error {
	s, err := r.secret(ctx)
	if err != nil {
		return err
	}
	s.Data, s.ResourceVersion = data, version
	s.APIVersion, s.Kind = "v1", "Secret"
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("kubernetes: write secret: %w", err)
	}
	err = r.rest().Put().Namespace(r.Client.Namespace).Resource("secrets").Name(r.Secret).SetHeader("Content-Type", runtime.ContentTypeJSON).Body(text).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("kubernetes: write secret %s/%s: %w", r.Client.Namespace, r.Secret, err)
	}
	return nil
}

func (r *Registration) rest() *rest.RESTClient { return r.Client.groups[corev1.SchemeGroupVersion] }

func (r *Registration) secret(ctx context.Context) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	if err := r.rest().Get().Namespace(r.Client.Namespace).Resource("secrets").Name(r.Secret).Do(ctx).Into(s); err != nil {
		return nil, fmt.Errorf("kubernetes: read secret %s/%s: %w", r.Client.Namespace, r.Secret, err)
	}
	return s, nil
}
