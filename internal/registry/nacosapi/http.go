package nacosapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paifang/internal/registry"
)

// contextPath is where a Nacos server has its API.
const contextPath = "/nacos"

// maxBody bounds the form of a request. Metadata is the largest part of it and is bounded by the registry.
const maxBody = 256 << 10

// call is a request with its parameters and the registry that runs.
type call struct {
	server *Server

	w http.ResponseWriter
	r *http.Request
	q url.Values // of query and form
	*registry.Registry
}

func (s *Server) newHTTP() *http.Server {
	mux := http.NewServeMux()
	s.routeV1Instance(mux)
	s.routeV1Service(mux)
	s.routeV1Operator(mux)
	if s.cfg.Console != "" {
		mux.HandleFunc("GET "+contextPath+"/{$}", s.toConsole)
	}
	return &http.Server{
		// A page of a foreign site that is open in a browser on this machine must not register anything.
		Handler:           http.NewCrossOriginProtection().Handler(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxHeaderBytes:    32 << 10,
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

// handle serves a pattern below contextPath.
func (s *Server) handle(mux *http.ServeMux, method, path string, f func(call) error) {
	mux.HandleFunc(method+" "+contextPath+path, func(w http.ResponseWriter, r *http.Request) {
		c := call{server: s, w: w, r: r}
		err := s.begin(&c)
		if err == nil {
			err = f(c)
		}
		if err != nil {
			s.log.warn(method+" "+path, r.RemoteAddr, err)
			fail(w, err)
		}
	})
}

// begin reads the parameters and finds the registry.
func (s *Server) begin(c *call) error {
	var err error
	if c.q, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return fmt.Errorf("nacosapi: query: %w: %w", err, registry.ErrInvalid)
	}
	// DELETE carries forms too; net/http parses only those of POST, PUT and PATCH.
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
		if err != nil {
			return fmt.Errorf("nacosapi: read form: %w", err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return fmt.Errorf("nacosapi: form: %w: %w", err, registry.ErrInvalid)
		}
		for k, v := range form {
			c.q[k] = append(c.q[k], v...)
		}
	}
	var ok bool
	if c.Registry, ok = s.provider.Current(); !ok {
		return fmt.Errorf("nacosapi: the registry is not running: %w", registry.ErrClosed)
	}
	return nil
}

// fail answers as Nacos does: a status and a line of text.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, registry.ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, registry.ErrUnknown):
		status = http.StatusNotFound
	case errors.Is(err, registry.ErrClosed):
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
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

func (c call) ok() error {
	c.w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	_, _ = io.WriteString(c.w, "ok") // the client may have gone
	return nil
}

func answer[T any](c call, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("nacosapi: encode answer: %w", err)
	}
	c.w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = c.w.Write(b) // the client may have gone
	return nil
}

// service reads the parameters that name a service.
func (c call) service() (registry.Key, error) {
	if c.q.Get("serviceName") == "" {
		return registry.Key{}, fmt.Errorf("nacosapi: Param 'serviceName' is required: %w", registry.ErrInvalid)
	}
	key := serviceKey(c.q.Get("namespaceId"), c.q.Get("groupName"), c.q.Get("serviceName"))
	return key, key.Validate()
}
