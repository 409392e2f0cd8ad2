package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
)

// Config is what the console shows. Reader is needed.
type Config struct {
	Reader    adminapi.Reader
	Explainer adminapi.Explainer // nil: there is no box
	Log       *slog.Logger       // default: none
}

// Handler serves / and nothing else. It has no effect on anything; who may ask is decided in front of it.
type Handler struct {
	cfg    Config
	page   *template.Template
	style  string
	script string
	policy string
}

var _ http.Handler = (*Handler)(nil)

// readWithin bounds how long the processes may take to tell what they have.
const readWithin = 5 * time.Second

// maxURL bounds what is asked to be explained, in bytes.
const maxURL = 8 << 10

//go:embed page.gohtml
var pageSource string

//go:embed page.css
var styleSource string

//go:embed page.js
var scriptSource string

// New returns the console.
func New(cfg Config) *Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg, style: styleSource, script: scriptSource, page: template.Must(template.New("page").Parse(pageSource))}
	h.policy = "default-src 'none'; style-src " + hashed(h.style) + "; script-src " + hashed(h.script) +
		"; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return h
}

// hashed is how a Content-Security-Policy names the one text that may be embedded.
func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// ServeHTTP answers GET and HEAD of /, with HTML for who prefers that.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	head.Set("Referrer-Policy", "no-referrer")
	switch {
	case r.URL.Path != "/":
		http.Error(w, "there is nothing here: the console is at /, the API at /api/v1/", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "the method here is GET", http.StatusMethodNotAllowed)
		return
	}
	head.Set("Vary", "Accept, Accept-Language")
	p, err := h.look(r)
	if err != nil {
		h.cfg.Log.Warn("console: read", "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var out bytes.Buffer
	if !prefersHTML(r.Header.Get("Accept")) {
		head.Set("Content-Type", "text/plain; charset=utf-8")
		err = p.writeText(&out)
	} else {
		head.Set("Content-Type", "text/html; charset=utf-8")
		head.Set("Content-Language", p.Lang)
		head.Set("Content-Security-Policy", h.policy)
		p.Style, p.Script = template.CSS(h.style), template.JS(h.script) // our own files, as the policy names them
		err = h.page.Execute(&out, p)
	}
	if err != nil {
		h.cfg.Log.Warn("console: write", "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = out.WriteTo(w) // the client may have gone
}

// look makes the page of this moment.
func (h *Handler) look(r *http.Request) (*page, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readWithin)
	defer cancel()
	view, err := h.cfg.Reader.Read(ctx, adminapi.Roads, adminapi.Nodes, adminapi.Pods, adminapi.Records, adminapi.Routes, adminapi.Upstreams, adminapi.Services,
		adminapi.Listeners, adminapi.Diagnostics, adminapi.Sources, adminapi.Infos, adminapi.Traffics)
	var partial *adminapi.PartialError
	if err != nil && !errors.As(err, &partial) {
		return nil, err
	}
	p := newPage(view, language(r), time.Now())
	if partial != nil {
		p.Missing = partial.Error()
	}
	p.Forced = r.URL.Query().Get("lang") == p.Lang
	p.HasBox = h.cfg.Explainer != nil
	if p.HasBox {
		p.Asked = h.explain(ctx, r)
	}
	return p, nil
}

// asked is a URL in the box with what came of it.
type asked struct {
	Name   string // of its field: url, url2
	URL    string
	Result explain.Result
	Error  string
	Done   bool // there is a result
}

// explain answers the boxes of the form. The second one is for comparing.
func (h *Handler) explain(ctx context.Context, r *http.Request) []asked {
	var out []asked
	for _, name := range []string{"url", "url2"} {
		a := asked{Name: name, URL: r.URL.Query().Get(name)}
		switch {
		case a.URL == "":
		case len(a.URL) > maxURL:
			a.URL, a.Error = "", "the URL is longer than 8 KiB"
		default:
			result, err := h.cfg.Explainer.Explain(ctx, explain.Request{URL: a.URL}, false)
			if err != nil {
				a.Error = err.Error()
			} else {
				a.Result, a.Done = result, true
			}
		}
		out = append(out, a)
	}
	return out
}
