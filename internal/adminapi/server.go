package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"paifang/internal/explain"
	"paifang/internal/filter"
)

// Explainer explains requests.
type Explainer interface {
	Explain(ctx context.Context, q explain.Request, send bool) (explain.Result, error)
}

// Health tells whether a process is ready, and if not what is missing, a sentence each.
type Health interface {
	Ready() (bool, []string)
}

// Config is what a Server offers. What is nil answers 404.
type Config struct {
	Reader    Reader
	Explainer Explainer
	Health    Health
	Actions   Actions
	Traces    explain.Traces
	Meter     Meter
	Reopen    func(context.Context) error // opens the access log again
	Printed   func() ([]byte, error)      // the configuration as YAML, without secrets
	Console   http.Handler                // everything outside /api, /actuator, /metrics, /healthz and /readyz
	Actuator  http.Handler                // /actuator/gateway; it bounds bodies and looks for a token itself
	Hosts     []string                    // names and addresses under which the server may be asked, besides loopback
	Log       *slog.Logger                // default: none
}

// Bounds of a request to the server.
const (
	maxBody       = 64 << 10 // bytes
	maxHeader     = 64 << 10 // bytes
	headerTimeout = 2 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 60 * time.Second // a piece that ends in order has 30 s
	idleTimeout   = 60 * time.Second
	actTimeout    = 45 * time.Second
	closeTimeout  = 2 * time.Second
)

// Server is the admin API.
type Server struct{ cfg Config }

// New returns a server. Serve it on a loopback address: who reaches it may stop pieces.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg}
}

// Serve answers on a listener until ctx ends, then waits for requests under way, 2 s at most. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, s.Handler(), s.cfg.Log)
}

// ServePublic is Serve of PublicHandler.
func (s *Server) ServePublic(ctx context.Context, l net.Listener) error {
	return serve(ctx, l, s.PublicHandler(), s.cfg.Log)
}

func serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	within, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := server.Shutdown(within)
	if err != nil {
		err = server.Close()
	}
	<-ended //nolint:errcheck // Serve ends because it was told to
	return err
}

// PublicHandler is /metrics, /healthz and /readyz and nothing else, for an address that others reach.
func (s *Server) PublicHandler() http.Handler {
	mux := http.NewServeMux()
	s.probes(mux)
	mux.HandleFunc("/", notFound)
	return mux
}

func (s *Server) probes(mux *http.ServeMux) {
	mux.Handle("/healthz", only(http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { text(w, 200, "ok\n") }))
	mux.Handle("/readyz", only(http.MethodGet, s.readyz))
	mux.Handle("/metrics", only(http.MethodGet, s.metrics))
}

// Handler is the whole API. It answers only who asks for it by a name or address that is its own, so that a web page
// cannot reach it by having its own name lead here (DNS rebinding), and does nothing for a page of another origin.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.probes(mux)
	mux.Handle("/api/v1/config", only(http.MethodGet, s.config))
	mux.Handle("/api/v1/explain", s.explain())
	mux.Handle("/api/v1/trace", only(http.MethodGet, s.trace))
	mux.Handle("/api/v1/pieces/{piece}/{verb}", only(http.MethodPost, s.act))
	mux.Handle("/api/v1/access-log/reopen", only(http.MethodPost, s.reopen))
	mux.Handle("/api/v1/{kind}", only(http.MethodGet, s.list))
	mux.HandleFunc("/api/", notFound)
	if s.cfg.Console != nil {
		mux.Handle("/", s.cfg.Console)
	} else {
		mux.HandleFunc("/", notFound)
	}
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case !s.ownHost(r.Host):
			fail(w, http.StatusMisdirectedRequest, "this address is not asked for by the name "+quoteHost(r.Host)+": use the loopback address, or configure the name")
		case r.Method != http.MethodGet && r.Method != http.MethodHead && passedOn(r):
			fail(w, http.StatusForbidden, "this was sent on by a gateway, whose clients may not do this")
		case origin.Check(r) != nil:
			fail(w, http.StatusForbidden, "a page of another origin may not do this")
		case s.cfg.Actuator != nil && strings.HasPrefix(r.URL.Path, "/actuator/"):
			s.cfg.Actuator.ServeHTTP(w, r)
		case r.ContentLength > maxBody:
			fail(w, http.StatusRequestEntityTooLarge, "the body is longer than 64 KiB")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			mux.ServeHTTP(w, r)
		}
	})
}

// ownHost tells whether a Host header names this server: a loopback address, localhost, or a configured name.
func (s *Server) ownHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" {
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil && a.IsLoopback() {
		return true
	}
	for _, own := range s.cfg.Hosts {
		if strings.EqualFold(own, host) {
			return true
		}
	}
	return false
}

// passedOn tells of a request that a listener of a gateway, or a mirror, has sent on: whoever asks these is not on this machine.
func passedOn(r *http.Request) bool {
	return r.Header.Get(filter.FieldVia) != "" || r.Header.Get(filter.FieldMirrored) != ""
}

// quoteHost shows what was asked for without repeating much of it.
func quoteHost(host string) string {
	if len(host) > 100 {
		host = host[:100] + "…"
	}
	b, _ := json.Marshal(host) // a string always has a JSON form
	return string(b)
}

// only lets one method pass, and HEAD with GET.
func only(method string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead) {
			w.Header().Set("Allow", method)
			fail(w, http.StatusMethodNotAllowed, "the method here is "+method)
			return
		}
		h(w, r)
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusNotFound, "there is nothing here")
}

// fail answers with an error as JSON.
func fail(w http.ResponseWriter, status int, message string) {
	body, _ := json.Marshal(struct {
		Error string `json:"error"`
	}{message}) // a string always has a JSON form
	answer(w, status, "application/json", body)
}

func text(w http.ResponseWriter, status int, body string) {
	answer(w, status, "text/plain; charset=utf-8", []byte(body))
}

func answer(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that left is its own affair
}

// empty tells whether a request has no body, and answers where that is not so.
func empty(w http.ResponseWriter, r *http.Request) bool {
	n, err := io.Copy(io.Discard, r.Body)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		fail(w, http.StatusRequestEntityTooLarge, "the body is longer than 64 KiB")
		return false
	case err != nil || n > 0:
		fail(w, http.StatusBadRequest, "a request here has no body")
		return false
	}
	return true
}
