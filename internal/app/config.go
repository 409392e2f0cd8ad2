package app

import (
	"net/netip"
	"time"
)

// Config is what a process does: one YAML file, read strictly. A section that is there switches its role on; each
// works alone or together with others. `paifang up` builds one of these and hands it to the same New.
//
// The doc tags are the reference: docs/configuration.md is made from them.
type Config struct {
	Data     string    `json:"data,omitempty" doc:"directory for what must outlive the process; none: nothing is kept"`
	Admin    Admin     `json:"admin,omitzero" doc:"the API of the command line and the console"`
	Log      Log       `json:"log,omitzero" doc:"what the process says, and where"`
	Sources  Sources   `json:"sources,omitzero" doc:"where rules and addresses come from"`
	TLS      TLS       `json:"tls,omitzero" doc:"what all TLS of the process has in common; docs/tls.md tells more"`
	HTTP2    HTTP2     `json:"http2,omitzero" doc:"what HTTP/2 connections may cost; docs/http2.md tells more"`
	DNS      *DNS      `json:"dns,omitempty" doc:"role: authoritative DNS for the hosts that are served"`
	SLB      *SLB      `json:"slb,omitempty" doc:"role: the L4 load balancer in front of the ingress nodes"`
	Ingress  *Ingress  `json:"ingress,omitempty" doc:"role: ingress nodes, road 1"`
	Gateway  *Gateway  `json:"gateway,omitempty" doc:"role: the API gateway, road 2"`
	Registry *Registry `json:"registry,omitempty" doc:"role: a registry that speaks the protocol of Nacos"`
	Bridge   *Bridge   `json:"bridge,omitempty" doc:"Services are offered in a registry; docs/move.md"`
	Webhook  *Webhook  `json:"webhook,omitempty" doc:"role: says what is wrong with an Ingress while it is applied; docs/controller.md"`
	Pods     *Pods     `json:"pods,omitempty" doc:"role: Deployments and Pods as processes of this machine (development only)"`
	Tracing  Tracing   `json:"tracing,omitzero" doc:"which requests are told of as spans of traces, and to whom; docs/tracing.md"`
	Metrics  Metrics   `json:"metrics,omitzero" doc:"what /metrics shows"`
	Limits   Limits    `json:"limits,omitzero" doc:"how much of the machine the process takes; docs/limits.md"`
	Bodies   Bodies    `json:"bodies,omitzero" doc:"what holds for the bodies of HTTP requests"`
	Zone     string    `json:"zone,omitempty" doc:"where this process runs, for upstreams that prefer endpoints of their own zone; none: no preference"`
	Affinity string    `json:"affinityKey,omitempty" doc:"file with 16 bytes or more that nobody can guess, the same on all replicas: affinity cookies then tell nothing even to who guesses addresses; none: a plain hash"`
	Timeouts Timeouts  `json:"timeouts,omitzero" doc:"how long is waited, for what routes do not say themselves"`
	Leave    Duration  `json:"leave,omitempty" doc:"how long at shutdown connections and requests are taken as before, once balancers that probe were told and the gateway is out of the registry: above the time in which they notice; default 1s where there is a balancer (proxyFrom), a registry or admin.public, else none; negative: none"`
	Drain    Duration  `json:"drain,omitempty" doc:"how long work in flight may take at shutdown; default 5s"`
}

// Admin is the address of the admin API.
type Admin struct {
	Address netip.AddrPort `json:"address,omitzero" doc:"address:port; default 127.0.0.1:8088; must be a loopback address"`
	Public  netip.AddrPort `json:"public,omitzero" doc:"address:port for /healthz, /readyz and /metrics alone, for probes from elsewhere, such as 0.0.0.0:8089; none: they are at address only"`
}

// Log says how the process logs.
type Log struct {
	Level  string `json:"level,omitempty" doc:"debug, info, warn or error; default info"`
	Format string `json:"format,omitempty" doc:"text or json; default text"`
	Access string `json:"access,omitempty" doc:"access log: a file, or stdout; 'off', in quotes, or none: no access log; docs/access-log.md"`
	// AccessFormat is how its lines are written.
	AccessFormat string   `json:"accessFormat,omitempty" doc:"json, or combined: as nginx and Apache write it; default json"`
	Redact       []string `json:"redact,omitempty" doc:"names of query parameters whose values are not logged, besides those that are obvious, such as accessToken and password"`
}

// Metrics says what /metrics shows.
type Metrics struct {
	Series int  `json:"series,omitempty" doc:"time series that metrics by route may have, and as many by upstream; routes and upstreams beyond are counted together as other; default 10000, enough for 322 routes; docs/metrics.md"`
	Nginx  bool `json:"nginx,omitempty" doc:"requests of Ingresses are shown under the names of ingress-nginx too, for its dashboards and for canary analysis; docs/metrics.md"`
}

// Limits say how much of the machine the process takes.
type Limits struct {
	Memory                string `json:"memory,omitempty" doc:"bytes at which the process defends itself, such as 2GiB or 512MiB; off: it does not; default the limit of its control group (container), else 2GiB"`
	Connections           int    `json:"connections,omitempty" doc:"open connections of clients in total; default 50000, and at most two fifths of the file descriptors"`
	ConnectionsPerAddress int    `json:"connectionsPerAddress,omitempty" doc:"open connections of clients of each address of a listener; default a fifth of connections"`
	Heads                 int    `json:"heads,omitempty" doc:"bytes that heads of requests take which are longer than 4 KiB, of all requests under way together; what does not fit is answered 503; default 8388608"`
}

// Sources says where rules and addresses come from.
type Sources struct {
	Manifests    []string      `json:"manifests,omitempty" doc:"directories and files with Kubernetes YAML and paifang.dev/v1 documents; watched"`
	Kubernetes   *Kubernetes   `json:"kubernetes,omitempty" doc:"a cluster whose Ingresses are served; docs/controller.md"`
	IngressNginx *IngressNginx `json:"ingressNginx,omitempty" doc:"an installation of ingress-nginx that is taken over, for manifests and the cluster; docs/from-ingress-nginx.md"`
	// AnnotationPrefix is what a class of ingress-nginx reads.
	AnnotationPrefix string   `json:"annotationPrefix,omitempty" doc:"what the names of annotations begin with that are read as those of ingress-nginx; default nginx.ingress.kubernetes.io"`
	Routes           []string `json:"routes,omitempty" doc:"directories and files with Spring Cloud Gateway routes; watched"`
	Spring           Spring   `json:"spring,omitzero" doc:"how files of routes are read; docs/from-spring-cloud-gateway.md tells more"`
	Nacos            []Nacos  `json:"nacos,omitempty" doc:"registries to read, Nacos or one that speaks its protocol"`
	// RegistryServices bounds what the annotation paifang.dev/registry may name.
	RegistryServices []string `json:"registryServices,omitempty" doc:"which services of registries may be behind Services (paifang.dev/registry): SERVICE, GROUP/SERVICE or NAMESPACE/GROUP/SERVICE, where * is any text without a slash; default all; docs/move.md"`
}

// Spring says how files of routes are read, as Spring Boot would be told.
type Spring struct {
	Profiles   []string          `json:"profiles,omitempty" doc:"that are active, the last one wins; default those of spring.profiles.active in properties, environment or the file"`
	Properties map[string]string `json:"properties,omitempty" doc:"what placeholders such as ${host} are filled with first, as a Java program is given with -D"`
	// KeyResolvers are by the names of beans.
	KeyResolvers map[string]string `json:"keyResolvers,omitempty" doc:"what the beans count by that a RequestRateLimiter names, by their names: {client}, {user}, or a text with {header.NAME}, {query.NAME}, {cookie.NAME}, {path}, {host}"`
	RequestURIs  []string          `json:"requestUris,omitempty" doc:"where requests may be sent by the filters SetRequestUri and RequestHeaderToRequestUri, besides what the metadata request-uris of their routes list: http://host:port, https://host, lb://service"`
	Nacos        []SpringItem      `json:"nacos,omitempty" doc:"configurations in a registry that hold routes, followed there"`
	Kubernetes   *SpringCluster    `json:"kubernetes,omitempty" doc:"lb:// and the discovery locator take instances from Services of sources.manifests and sources.kubernetes, too"`
	Actuator     *Actuator         `json:"actuator,omitempty" doc:"routes are listed, added and taken away at /actuator/gateway of the admin API; docs/actuator.md"`
}

// SpringItem is a configuration in a registry that holds routes.
type SpringItem struct {
	DataID    string `json:"dataId" doc:"its data ID; read as properties where it ends in .properties, as YAML or JSON otherwise; a JSON list holds definitions of routes"`
	Group     string `json:"group,omitempty" doc:"default DEFAULT_GROUP"`
	Namespace string `json:"namespace,omitempty" doc:"default that of the registry, or public"`
	Registry  string `json:"registry,omitempty" doc:"the name of one of sources.nacos; none: the registry of this process, or else the one of sources.nacos without a name"`
}

// SpringCluster says which Services lb:// leads to.
type SpringCluster struct {
	Namespace string `json:"namespace,omitempty" doc:"of the Services that are named without one; those of others are named as in lb://order.shop; default default"`
}

// TLS is what all TLS of a process has in common.
type TLS struct {
	TicketKeys     string   `json:"ticketKeys,omitempty" doc:"file with the keys of session tickets, 32 bytes in base64 or hexadecimal on each line, the first encrypts; read again when it changes; for processes that share their clients; none: the process makes its own"`
	TicketRotation Duration `json:"ticketRotation,omitempty" doc:"how long a key of the process's own encrypts, before the next one does and this one only decrypts for as long again; default 12h"`
	UpstreamCA     string   `json:"upstreamCA,omitempty" doc:"file with the CAs in PEM that endpoints are verified against, where their upstream names none; read at start; none: the roots of the system"`
}

// Bounds are those of the TLS handshakes of listeners.
type Bounds struct {
	MinVersion string   `json:"minVersion,omitempty" doc:"1.2 or 1.3; default 1.2"`
	MaxVersion string   `json:"maxVersion,omitempty" doc:"1.2 or 1.3; default 1.3"`
	Ciphers    []string `json:"ciphers,omitempty" doc:"suites of TLS 1.2 by their names in the IANA registry or in OpenSSL; default all with forward secrecy and authenticated encryption; others cannot be named"`
	Staple     bool     `json:"staple,omitempty" doc:"the OCSP responses of certificates that name a responder are asked for and stapled"`
}

// Nacos is an external registry.
type Nacos struct {
	Name      string         `json:"name,omitempty" doc:"how its lists are called; the first one without a name is just registry"`
	Address   string         `json:"address" doc:"host:port of its HTTP API, or several, separated by commas; gRPC is expected 1000 above"`
	GRPC      string         `json:"grpc,omitempty" doc:"host:port of its gRPC API, where it is not 1000 above the HTTP port; of several servers one for each, in the same order"`
	Namespace string         `json:"namespace,omitempty" doc:"default public"`
	Group     string         `json:"group,omitempty" doc:"default DEFAULT_GROUP"`
	Allow     []netip.Prefix `json:"allow,omitempty" doc:"loopback and link-local ranges whose instances are believed all the same"`
	All       bool           `json:"all,omitempty" doc:"the addresses of all services are read, and not only of those that routes use: for those who look at them"`
	Username  string         `json:"username,omitempty" doc:"who logs in; default nobody"`
	Password  string         `json:"password,omitempty" doc:"file with the password"`
	TLS       bool           `json:"tls,omitempty" doc:"both APIs are spoken over TLS"`
	CA        string         `json:"ca,omitempty" doc:"file with the CAs in PEM that the server is verified against; default the roots of the system"`
}

// DNS is the role dns.
type DNS struct {
	Elsewhere bool           `json:"elsewhere,omitempty" doc:"another process runs this role; this one only knows of it, for DNS and for explaining"`
	Address   netip.AddrPort `json:"address" doc:"address:port, UDP and TCP"`
	Advertise netip.Addr     `json:"advertise,omitzero" doc:"the address that the zones name for this server; default that of address"`
	Zones     []string       `json:"zones" doc:"zones to answer for, such as test"`
	TTL       Duration       `json:"ttl,omitempty" doc:"of the records made from hosts; default 5s"`
}

// SLB is the role slb.
type SLB struct {
	Elsewhere bool          `json:"elsewhere,omitempty" doc:"another process runs this role; this one only knows of it, for DNS and for explaining"`
	Listeners []SLBListener `json:"listeners" doc:"ports to accept connections on"`
	Interval  Duration      `json:"interval,omitempty" doc:"between two probes of a node; default 250ms"`
	Timeout   Duration      `json:"timeout,omitempty" doc:"of one probe; default 250ms"`
	Rise      int           `json:"rise,omitempty" doc:"good probes in a row until a node is taken in; default 1"`
	Fall      int           `json:"fall,omitempty" doc:"bad probes in a row until a node is left out; default 2"`
}

// SLBListener is a port of the SLB and the nodes behind it.
type SLBListener struct {
	Name    string         `json:"name" doc:"such as http"`
	Address netip.AddrPort `json:"address" doc:"address:port"`
	Nodes   []SLBNode      `json:"nodes,omitempty" doc:"the nodes behind it"`
	Members *Members       `json:"members,omitempty" doc:"nodes of the cluster of sources.kubernetes, besides"`
}

// SLBNode is a node behind the SLB.
type SLBNode struct {
	Name    string         `json:"name" doc:"such as node-1"`
	Address netip.AddrPort `json:"address" doc:"address:port"`
}

// Ingress is the role ingress.
type Ingress struct {
	Elsewhere bool           `json:"elsewhere,omitempty" doc:"another process runs this role; this one only knows of it, for DNS and for explaining"`
	Nodes     []Node         `json:"nodes" doc:"one in production; two in up, so that a node can be stopped"`
	Advertise []netip.Addr   `json:"advertise,omitempty" doc:"where DNS leads the hosts: the SLB's address; default the nodes' own"`
	ProxyFrom []netip.Prefix `json:"proxyFrom,omitempty" doc:"balancers: their connections must begin with a PROXY protocol header, and no others may"`
	Trusted   []netip.Prefix `json:"trusted,omitempty" doc:"clients whose X-Forwarded-* and Forwarded headers are believed"`
	Hops      int            `json:"hops,omitempty" doc:"proxies in front, of which only the last one's address is in trusted: the client is the hops-th address of X-Forwarded-For from its end; default 0: the last one that is not in trusted"`
	Parsing   Parsing        `json:"parsing,omitzero" doc:"what is made of requests that servers read in more than one way"`
	TLS       Bounds         `json:"tls,omitzero" doc:"of the nodes' HTTPS listeners"`
	HTTP1Only bool           `json:"http1Only,omitempty" doc:"HTTP/2 is not spoken"`
}

// Node is one ingress node: its own listeners on its own address.
type Node struct {
	Name  string         `json:"name" doc:"such as node-1"`
	HTTP  netip.AddrPort `json:"http" doc:"address:port for clear text"`
	HTTPS netip.AddrPort `json:"https,omitzero" doc:"address:port for TLS; none: no TLS"`
}

// Gateway is the role gateway.
type Gateway struct {
	Elsewhere bool           `json:"elsewhere,omitempty" doc:"another process runs this role; this one only knows of it, for DNS and for explaining"`
	HTTP      netip.AddrPort `json:"http" doc:"address:port for clear text"`
	HTTPS     netip.AddrPort `json:"https,omitzero" doc:"address:port for TLS; none: no TLS"`
	Advertise netip.Addr     `json:"advertise,omitzero" doc:"the address that DNS and registry are told; default that of http, or where that is all addresses the one in the environment variable POD_IP"`
	Host      string         `json:"host,omitempty" doc:"the gateway's own name in DNS, such as gateway.test"`
	Service   string         `json:"service,omitempty" doc:"the name it registers under; default paifang-gateway; - = it does not register"`
	ProxyFrom []netip.Prefix `json:"proxyFrom,omitempty" doc:"balancers: their connections must begin with a PROXY protocol header, and no others may"`
	Trusted   []netip.Prefix `json:"trusted,omitempty" doc:"clients whose X-Forwarded-* and Forwarded headers are believed"`
	Hops      int            `json:"hops,omitempty" doc:"proxies in front, of which only the last one's address is in trusted: the client is the hops-th address of X-Forwarded-For from its end; default 0: the last one that is not in trusted"`
	Parsing   Parsing        `json:"parsing,omitzero" doc:"what is made of requests that servers read in more than one way"`
	TLS       Bounds         `json:"tls,omitzero" doc:"of the gateway's HTTPS listener"`
	HTTP1Only bool           `json:"http1Only,omitempty" doc:"HTTP/2 is not spoken"`
}

// Registry is the role registry.
type Registry struct {
	HTTP      netip.AddrPort `json:"http" doc:"address:port of the HTTP API"`
	GRPC      netip.AddrPort `json:"grpc" doc:"address:port of the gRPC API; clients expect it 1000 above http"`
	Allow     []netip.Prefix `json:"allow,omitempty" doc:"loopback and link-local ranges that instances may have all the same"`
	Advertise netip.Addr     `json:"advertise,omitzero" doc:"where other registries on the same etcd reach http; default its address, or where that is all addresses the one in the environment variable POD_IP; without either they do not"`
	Console   netip.AddrPort `json:"console,omitzero" doc:"where browsers that ask for /nacos/ are sent; default the admin address"`
	// Addresses narrows what Allow widens.
	Addresses []netip.Prefix `json:"addresses,omitempty" doc:"ranges that instances must lie in, besides those of allow; default anywhere"`
	Storage   string         `json:"storage,omitempty" doc:"memory: nothing outlives the process; bolt: a file in data; etcd: a cluster that several processes share; default bolt where data is set, else memory; docs/registry.md tells more"`
	Etcd      *Etcd          `json:"etcd,omitempty" doc:"the cluster, where storage is etcd"`
	Auth      OnOff          `json:"auth,omitempty" doc:"on: clients log in, and roles say who may read and write in which namespace; the first user, nacos, has the password in passwordFile, or one that is made once and written to registry/password in data; off: everybody may do everything; default on"`
	// PasswordFile is for where nobody could read a password that is made, such as in a pod.
	PasswordFile string `json:"passwordFile,omitempty" doc:"file with the password of the first user, in place of one that is made; read at start, and of no use once there is a user"`
	// The files of TLS are read when the registry starts.
	Certificate string `json:"certificate,omitempty" doc:"file with the certificate chain in PEM, for TLS on both ports; default clear text"`
	Key         string `json:"key,omitempty" doc:"file with its private key in PEM"`
}

// Etcd is a cluster of etcd.
type Etcd struct {
	Endpoints    []string `json:"endpoints" doc:"its members, as http://host:port or https://host:port"`
	Prefix       string   `json:"prefix,omitempty" doc:"of all keys; one registry has one prefix; default /paifang/"`
	Username     string   `json:"username,omitempty" doc:"where the cluster asks who one is"`
	PasswordFile string   `json:"passwordFile,omitempty" doc:"file with the password; read at start"`
	CA           string   `json:"ca,omitempty" doc:"file with the CAs in PEM that members are verified against; none: the roots of the system"`
	Certificate  string   `json:"certificate,omitempty" doc:"file with a client certificate in PEM; needs key"`
	Key          string   `json:"key,omitempty" doc:"file with its key in PEM"`
}

// Pods is the pod runner of up.
type Pods struct {
	Nodes          []PodNode         `json:"nodes" doc:"the machines that pods are said to run on"`
	Run            map[string]string `json:"run,omitempty" doc:"image: command line, for images without a program of their own here"`
	Attach         map[string]string `json:"attach,omitempty" doc:"deployment: IP:port of a process that already runs"`
	Env            map[string]string `json:"env,omitempty" doc:"variables for every pod"`
	Logs           string            `json:"logs,omitempty" doc:"directory for what pods print"`
	Single         bool              `json:"single,omitempty" doc:"every pod on 127.0.0.1, on a port of its own"`
	HostPortOffset int               `json:"hostPortOffset,omitempty" doc:"added to every hostPort"`
	Within         Duration          `json:"within,omitempty" doc:"bounds the grace period of pods at shutdown; default 8s"`
	Export         string            `json:"export,omitempty" doc:"directory to write the pods' addresses to, as paifang.dev/v1 Endpoints, for processes that read them as manifests"`
}

// PodNode is a machine of the pod runner.
type PodNode struct {
	Name  string       `json:"name" doc:"such as node-1"`
	Range netip.Prefix `json:"range" doc:"its pods' addresses, such as 127.1.1.0/24"`
	Addr  netip.Addr   `json:"addr" doc:"its own address, where hostPorts are mapped"`
}

// Duration is a time.Duration that reads and prints as text: "250ms".
type Duration time.Duration

// UnmarshalText reads a duration such as 1.5s.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText prints the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// or returns the duration, or another one where it is zero.
func (d Duration) or(v time.Duration) time.Duration {
	if d == 0 {
		return v
	}
	return time.Duration(d)
}
