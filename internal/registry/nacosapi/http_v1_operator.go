package nacosapi

import (
	"net/http"

	"paifang/internal/nacoswire"
)

// compatible is the version of Nacos whose API this is; some clients choose their calls by it.
const compatible = "2.5.1"

// routeV1Operator serves what clients and consoles ask of the server itself.
func (s *Server) routeV1Operator(mux *http.ServeMux) {
	s.handle(mux, "GET", "/v1/ns/operator/metrics", v1Metrics)
	s.handle(mux, "GET", "/v1/console/server/state", v1State)
	s.handle(mux, "GET", "/v1/console/namespaces", v1Namespaces)
	s.handle(mux, "POST", "/v1/auth/login", v1Login)
	s.handle(mux, "POST", "/v1/auth/users/login", v1Login)
}

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

func v1Metrics(c call) error {
	n := c.Stats()
	return answer(c, metrics{
		Status:               "UP",
		ServiceCount:         n.Services,
		InstanceCount:        n.Instances,
		SubscribeCount:       n.Watches,
		ClientCount:          n.Beating + n.Connections,
		ConnectionBased:      n.Connections,
		EphemeralIPPort:      n.Beating,
		ResponsibleClient:    n.Beating + n.Connections,
		ResponsibleInstances: n.Instances,
	})
}

type state struct {
	Version        string `json:"version"`
	StandaloneMode string `json:"standalone_mode"`
	FunctionMode   string `json:"function_mode"`
	Server         string `json:"server"`
}

func v1State(c call) error {
	return answer(c, state{compatible, "standalone", "naming", "paifang"})
}

type namespaces struct {
	Code    int         `json:"code"`
	Message string      `json:"message"`
	Data    []namespace `json:"data"`
}

type namespace struct {
	Namespace   string `json:"namespace"` // empty for the public one, as Nacos writes it
	ShowName    string `json:"namespaceShowName"`
	Quota       int    `json:"quota"`
	ConfigCount int    `json:"configCount"`
	Type        int    `json:"type"` // 0 = the public one, 2 = made by users
}

// v1Namespaces lists the namespaces in use.
func v1Namespaces(c call) error {
	const quota = 200 // of configurations, the default of Nacos
	out := namespaces{Code: 200, Message: "success", Data: []namespace{{ShowName: nacoswire.PublicNamespace, Quota: quota}}}
	last := ""
	for _, key := range c.Keys() {
		if key.Namespace != last && key.Namespace != nacoswire.PublicNamespace {
			out.Data = append(out.Data, namespace{key.Namespace, key.Namespace, quota, 0, 2})
		}
		last = key.Namespace
	}
	return answer(c, out)
}

type login struct {
	AccessToken string `json:"accessToken"`
	TokenTTL    int    `json:"tokenTtl"` // seconds
	GlobalAdmin bool   `json:"globalAdmin"`
	Username    string `json:"username"`
}

// v1Login answers as Nacos does while its authentication is off: any user gets the same word, which nobody checks.
func v1Login(c call) error {
	return answer(c, login{"AUTH_DISABLED", 18_000, false, c.q.Get("username")})
}
