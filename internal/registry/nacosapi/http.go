package nacosapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
)

// requestTime is how long a request may take to arrive.
const requestTime = 15 * time.Second

// contextPath is where a Nacos server has its API.
const contextPath = "/nacos"

// call is a request with its parameters and the registry that runs.
type call struct {
	server *Server

	w         http.ResponseWriter
	r         *http.Request
	q         url.Values // of query and form
	namespace string     // the one that it is about, and for which its caller was found to be allowed
	who       auth.Identity
	*registry.Registry
}

// handler answers a call: with a text or with something that becomes JSON. An answer of nil was written by the handler.
type handler func(call) (any, error)

// endpoint is one path of the API with a method.
type endpoint struct {
	method, path string // no method: any
	need         need
	handle       handler
	tenant       bool // the namespace is called tenant, as in HTTP v1 of configurations
	result       bool // answers are wrapped, as they are since HTTP v2
	large        bool // the form may have a configuration in it
	variants     []variant
}

// variant is another call at the same path, told apart by a parameter alone. The first that is asked for counts.
type variant struct {
	name, value string
	handle      handler
}

// handler is what answers a call with these parameters.
func (e *endpoint) handler(q url.Values) handler {
	for _, v := range e.variants {
		if strings.EqualFold(q.Get(v.name), v.value) {
			return v.handle
		}
	}
	return e.handle
}

// endpoints are all of the API.
func endpoints() []endpoint {
	return slices.Concat(
		v1Instances(), v1Services(), v1Catalog(), v1Operator(), v1Configs(), v2Endpoints(), v3Client(), v3Admin(),
		loader(), users(), clients(), listeners(), namespacesOf(), operation(), unserved(),
	)
}

func (s *Server) newHTTP() *http.Server {
	mux := http.NewServeMux()
	other := &unknown{&s.log, map[string][]string{}}
	for _, e := range endpoints() {
		pattern := contextPath + e.path
		if e.method != "" {
			pattern = e.method + " " + pattern
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(e, w, r) })
		other.methods[e.path] = append(other.methods[e.path], e.method)
	}
	mux.Handle("/", other)
	if s.cfg.Console != "" {
		mux.HandleFunc("GET "+contextPath+"/{$}", s.toConsole)
		other.methods["/"] = []string{http.MethodGet}
	}
	return &http.Server{
		// A page of a foreign site that is open in a browser on this machine must not register anything.
		Handler:           http.NewCrossOriginProtection().Handler(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       requestTime,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    32 << 10,
		TLSConfig:         s.cfg.TLS.Clone(),
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // what clients do wrong on the wire is no news here
	}
}

// toConsole sends who looks for Nacos' web pages to ours. Others find nothing here.
func (s *Server) toConsole(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store") // the address is that of this run
	http.Redirect(w, r, s.cfg.Console, http.StatusFound)
}

// serve answers one request.
func (s *Server) serve(e endpoint, w http.ResponseWriter, r *http.Request) {
	c := call{server: s, w: w, r: r}
	err := s.begin(&c, e)
	var out any
	if err == nil {
		out, err = e.handler(c.q)(c)
	}
	if err == nil && out != nil {
		err = c.answer(out, e.result)
	}
	if err != nil {
		s.log.warn(e.method+" "+e.path, r.RemoteAddr, err)
		fail(w, err, e.result)
	}
}

// begin reads the parameters, asks whether the caller is allowed, and finds the registry.
func (s *Server) begin(c *call, e endpoint) error {
	if s.cfg.Auth == nil {
		if err := foreignPage(c.r); err != nil {
			return err
		}
	}
	var err error
	if c.q, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return fmt.Errorf("nacosapi: query: %w: %w", err, registry.ErrInvalid)
	}
	leave, err := s.readForm(c, e)
	if err != nil {
		return err
	}
	defer leave()
	name := "namespaceId"
	if e.tenant {
		name = "tenant"
	}
	c.namespace = nacoswire.NonEmpty(c.q.Get(name), nacoswire.PublicNamespace)
	if c.who, err = s.allow(c.r.Context(), httpProof(c), e.need, c.namespace); err != nil {
		return err
	}
	var ok bool
	if c.Registry, ok = s.provider.Current(); !ok {
		return fmt.Errorf("nacosapi: the registry is not running: %w", registry.ErrClosed)
	}
	return nil
}

// result is an answer since HTTP v2 (Result of the Java sources).
type result struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// fail answers as Nacos does: a status, and a line of text or, since v2, a code of its own.
func fail(w http.ResponseWriter, err error, wrapped bool) {
	status, code := fault(err)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if wrapped {
		b, _ := json.Marshal(result{Code: code, Message: err.Error()}) // texts only
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		w.WriteHeader(status)
		_, _ = w.Write(b) // the client may have gone
		return
	}
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "caused: %s;", err)
}

// invalid marks the error of a codec as the client's.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("nacosapi: %w: %w", err, registry.ErrInvalid)
}

// answer writes what a handler returned.
func (c call) answer(out any, wrapped bool) error {
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	text, plain := out.(string)
	if plain && !wrapped {
		if c.w.Header().Get("Content-Type") == "" {
			c.w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		}
		_, _ = io.WriteString(c.w, text) // the client may have gone
		return nil
	}
	if wrapped {
		out = result{Message: "success", Data: out}
	}
	var b []byte
	if list, is := out.(*nacoswire.ServiceInfo); is { // the library would look through all of it once more
		b = list.AppendJSON(nil)
	} else {
		var err error
		if b, err = json.Marshal(out); err != nil {
			return fmt.Errorf("nacosapi: encode answer: %w", err)
		}
	}
	c.w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = c.w.Write(b) // as above
	return nil
}

// required reads a parameter that has to be there.
func (c call) required(name string) (string, error) {
	v := c.q.Get(name)
	if v == "" {
		return "", fmt.Errorf("nacosapi: Param '%s' is required: %w", name, registry.ErrInvalid)
	}
	return v, nil
}

// number reads a number that has to be there.
func (c call) number(name string) (int, error) {
	n, err := strconv.Atoi(c.q.Get(name))
	if err != nil {
		return 0, fmt.Errorf("nacosapi: Param '%s' is required and must be a number, not %.32q: %w", name, c.q.Get(name), registry.ErrInvalid)
	}
	return n, nil
}

// paging reads the page that is asked for; the first ten where nothing is said.
func (c call) paging() (no, size int) {
	no, size = 1, 10
	if n, err := strconv.Atoi(c.q.Get("pageNo")); err == nil {
		no = n
	}
	if n, err := strconv.Atoi(c.q.Get("pageSize")); err == nil {
		size = n
	}
	return max(no, 1), min(max(size, 1), 500)
}

// service reads the parameters that name a service.
func (c call) service() (registry.Key, error) {
	name, err := c.required("serviceName")
	if err != nil {
		return registry.Key{}, err
	}
	key := serviceKey(c.namespace, c.q.Get("groupName"), name)
	return key, key.Validate()
}

// from is the address that a request came from, without its port.
func (c call) from() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		return c.r.RemoteAddr
	}
	return host
}

// tooLarge tells whether a body had more than is allowed.
func tooLarge(err error) bool {
	var large *http.MaxBytesError
	return errors.As(err, &large)
}
