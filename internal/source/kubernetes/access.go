package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Access says how the API server is reached.
type Access struct {
	// Kubeconfig is a file. Empty: from inside a pod by its service account, elsewhere the file that kubectl would take.
	Kubeconfig string
	Context    string // of the kubeconfig; default its current one
}

// serviceAccount is where a pod finds what it needs to reach the API server.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Client speaks to one API server.
type Client struct {
	host   string
	groups map[schema.GroupVersion]*rest.RESTClient
	http   *http.Client
	// Namespace is the one of the pod's service account, or of the kubeconfig's context.
	Namespace string
}

// Connect makes a client. It asks the server nothing yet.
func Connect(a Access) (*Client, error) {
	cfg, namespace, err := a.config()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: connect: %w", err)
	}
	return newClient(cfg, namespace)
}

func (a Access) config() (*rest.Config, string, error) {
	if a.Kubeconfig == "" && a.Context == "" && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		cfg, err := rest.InClusterConfig()
		if err != nil {
			return nil, "", err
		}
		namespace, err := os.ReadFile(serviceAccount + "/namespace")
		if err != nil {
			return nil, "", fmt.Errorf("read the namespace of this pod: %w", err)
		}
		return cfg, strings.TrimSpace(string(namespace)), nil
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = a.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: a.Context})
	cfg, err := loader.ClientConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) {
			return nil, "", errors.New("there is no kubeconfig here, and this is no pod: name a kubeconfig file")
		}
		return nil, "", err
	}
	namespace, _, err := loader.Namespace()
	return cfg, namespace, err
}

// newClient makes REST clients for the groups that are used, with one pool of connections. Only these groups are known to
// their scheme: that of all of Kubernetes would double what the program takes.
func newClient(cfg *rest.Config, namespace string) (*Client, error) {
	scheme := runtime.NewScheme()
	known := []struct {
		version schema.GroupVersion
		add     func(*runtime.Scheme) error
	}{
		{corev1.SchemeGroupVersion, corev1.AddToScheme},
		{appsv1.SchemeGroupVersion, appsv1.AddToScheme},
		{networkingv1.SchemeGroupVersion, networkingv1.AddToScheme},
		{discoveryv1.SchemeGroupVersion, discoveryv1.AddToScheme},
		{coordinationv1.SchemeGroupVersion, coordinationv1.AddToScheme},
	}
	c := rest.CopyConfig(cfg)
	c.UserAgent = "paifang"
	c.QPS = -1 // reads are one per kind; who writes has a bound of its own
	c.Dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	c.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	c.ContentType = runtime.ContentTypeProtobuf
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	connections, err := rest.HTTPClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: connect %s: %w", cfg.Host, err)
	}
	out := &Client{host: cfg.Host, groups: map[schema.GroupVersion]*rest.RESTClient{}, http: connections, Namespace: cmp.Or(namespace, corev1.NamespaceDefault)}
	for _, k := range known {
		if err := k.add(scheme); err != nil {
			return nil, fmt.Errorf("kubernetes: connect %s: %w", cfg.Host, err)
		}
		of := rest.CopyConfig(c)
		of.GroupVersion, of.APIPath = &k.version, "/apis"
		if k.version.Group == "" {
			of.APIPath = "/api"
		}
		if out.groups[k.version], err = rest.RESTClientForConfigAndClient(of, connections); err != nil {
			return nil, fmt.Errorf("kubernetes: connect %s: %w", cfg.Host, err)
		}
	}
	return out, nil
}

// Close lets go of the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Host is the address of the API server.
func (c *Client) Host() string { return c.host }
