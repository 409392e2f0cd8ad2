package nacosapi

import (
	"context"

	"paifang/internal/nacoswire"
	"paifang/internal/registry/config"
)

// compatible is the version of Nacos whose API this is; some clients choose their calls by it.
const compatible = "2.5.1"

// v1Operator is what clients and consoles ask of the server itself.
func v1Operator() []endpoint {
	return []endpoint{
		{method: "GET", path: "/v1/console/server/state", handle: v1State},
		{method: "GET", path: "/v1/console/namespaces", need: knows, handle: v1Namespaces, variants: []variant{
			{"show", "all", oneNamespace}, {"checkNamespaceIdExist", "true", v1HasNamespace},
		}},
		{method: "POST", path: "/v1/console/namespaces", need: admin, handle: v1CreateNamespace},
		{method: "PUT", path: "/v1/console/namespaces", need: admin, handle: v1ChangeNamespace},
		{method: "DELETE", path: "/v1/console/namespaces", need: admin, handle: v1RemoveNamespace},
		{method: "GET", path: "/v1/console/health/liveness", handle: well},
		{method: "GET", path: "/v1/console/health/readiness", handle: well},
		{method: "POST", path: "/v1/auth/login", handle: logIn},
		{method: "POST", path: "/v1/auth/users/login", handle: logIn},
	}
}

func well(call) (any, error) { return "OK", nil }

// metrics is the answer by which clients tell that a server is well (OperatorController).
type metrics struct {
	Status               string `json:"status"`
	ServiceCount         int    `json:"serviceCount"`
	InstanceCount        int    `json:"instanceCount"`
	SubscribeCount       int    `json:"subscribeCount"`
	ClientCount          int    `json:"clientCount"`
	ConnectionBased      int    `json:"connectionBasedClientCount"`
	EphemeralIPPort      int    `json:"ephemeralIpPortClientCount"`
	PersistentIPPort     int    `json:"persistentIpPortClientCount"`
	ResponsibleClient    int    `json:"responsibleClientCount"`
	ResponsibleInstances int    `json:"responsibleInstanceCount"`
}

func v1Metrics(c call) (any, error) {
	n := c.Stats()
	return metrics{
		Status:               "UP",
		ServiceCount:         n.Services,
		InstanceCount:        n.Instances,
		SubscribeCount:       n.Watches,
		ClientCount:          n.Beating + n.Connections,
		ConnectionBased:      n.Connections,
		EphemeralIPPort:      n.Beating,
		ResponsibleClient:    n.Beating + n.Connections,
		ResponsibleInstances: n.Instances,
	}, nil
}

type state struct {
	Version        string `json:"version"`
	StandaloneMode string `json:"standalone_mode"`
	FunctionMode   string `json:"function_mode"`
	Server         string `json:"server"`
	AuthEnabled    string `json:"auth_enabled"`
}

func v1State(c call) (any, error) {
	s := state{compatible, "standalone", "naming", "paifang", "false"}
	if c.server.cfg.Configs != nil {
		s.FunctionMode = "all"
	}
	if c.server.cfg.Auth != nil {
		s.AuthEnabled = "true"
	}
	return s, nil
}

type namespaces struct {
	Code    int         `json:"code"`
	Message string      `json:"message"`
	Data    []namespace `json:"data"`
}

type namespace struct {
	Namespace   string `json:"namespace"` // empty for the public one, as Nacos writes it
	ShowName    string `json:"namespaceShowName"`
	Description string `json:"namespaceDesc"`
	Quota       int    `json:"quota"`
	ConfigCount int    `json:"configCount"`
	Type        int    `json:"type"` // 0 = the public one, 2 = made by users
}

// namespaceList has the namespaces that were made and those in use.
func namespaceList(c call) []namespace {
	const quota = 200 // of configurations, the default of Nacos
	out := []namespace{{ShowName: nacoswire.PublicNamespace, Quota: quota}}
	at := map[string]int{nacoswire.PublicNamespace: 0}
	if s := c.server.cfg.Configs; s != nil {
		out[0].ConfigCount = s.Count(nacoswire.PublicNamespace)
		for _, n := range s.Namespaces()[1:] {
			at[n.ID] = len(out)
			out = append(out, namespace{n.ID, n.Name, n.Description, quota, s.Count(n.ID), 2})
		}
	}
	for _, key := range c.Keys() {
		if _, ok := at[key.Namespace]; !ok {
			at[key.Namespace] = len(out)
			out = append(out, namespace{Namespace: key.Namespace, ShowName: key.Namespace, Quota: quota, Type: 2})
		}
	}
	return out
}

func v1Namespaces(c call) (any, error) {
	return namespaces{Code: 200, Message: "success", Data: namespaceList(c)}, nil
}

// v1HasNamespace tells whether an ID is taken.
func v1HasNamespace(c call) (any, error) {
	id := c.q.Get("customNamespaceId")
	for _, n := range namespaceList(c) {
		if id != "" && nacoswire.NonEmpty(n.Namespace, nacoswire.PublicNamespace) == id {
			return true, nil
		}
	}
	return false, nil
}

// v1CreateNamespace answers false to what cannot be made, as Nacos does, and with an error where it could be and was not.
func v1CreateNamespace(c call) (any, error) {
	if _, err := c.required("namespaceName"); err != nil {
		return nil, err
	}
	if c.q.Get("customNamespaceId") == "" {
		c.q.Set("customNamespaceId", newNamespaceID())
	}
	made, err := c.namespaces("customNamespaceId", "namespaceName", func(s *config.Store, ctx context.Context, n config.Namespace) error {
		return s.CreateNamespace(ctx, n)
	})
	if is(err, config.ErrConflict, config.ErrInvalid) {
		return false, nil
	}
	return made, err
}

func v1ChangeNamespace(c call) (any, error) {
	return c.namespaces("namespace", "namespaceShowName", func(s *config.Store, ctx context.Context, n config.Namespace) error {
		return s.ChangeNamespace(ctx, n)
	})
}

func (c call) namespaces(id, name string, f func(*config.Store, context.Context, config.Namespace) error) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	err = f(s, c.r.Context(), config.Namespace{ID: c.q.Get(id), Name: c.q.Get(name), Description: c.q.Get("namespaceDesc")})
	return err == nil, err
}

func v1RemoveNamespace(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	return s.RemoveNamespace(c.r.Context(), c.q.Get("namespaceId"))
}
