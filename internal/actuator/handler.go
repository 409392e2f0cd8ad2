package actuator

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/springgw"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// Prefix is where a Handler expects its paths.
const Prefix = "/actuator/gateway"

// refusal is an answer that is no success.
type refusal struct {
	status  int
	message string
	errors  []fieldError
}

// fieldError is what is wrong with one field, in the form that Spring has for errors of binding.
type fieldError struct {
	Route   string `json:"route,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"defaultMessage"`
}

// Error implements error.
func (r *refusal) Error() string { return r.message }

type handler struct{ c Config }

// Handler answers below Prefix. Each request needs the token.
func Handler(c Config) http.Handler {
	h := &handler{c}
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"GET /routes":                      h.routes,
		"GET /routes/{id}":                 h.route,
		"GET /routes/{id}/combinedfilters": h.combined,
		"GET /routedefinitions":            h.definitions,
		"GET /globalfilters":               func(*http.Request) (any, error) { return globalFilters(), nil },
		"GET /routefilters": func(*http.Request) (any, error) {
			return factories(springgw.SupportedFilters(), "GatewayFilterFactory"), nil
		},
		"GET /routepredicates": func(*http.Request) (any, error) {
			return factories(springgw.SupportedPredicates(), "RoutePredicateFactory"), nil
		},
		"POST /routes":        h.saveAll,
		"POST /routes/{id}":   h.save,
		"DELETE /routes/{id}": h.remove,
		"POST /refresh":       func(*http.Request) (any, error) { return nil, conflict(h.c.Store.Reread()) },
	} {
		verb, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(verb+" "+Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := answer(r)
			h.write(w, r, body, err)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.let(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="actuator"`)
			h.write(w, r, nil, &refusal{status: http.StatusUnauthorized, message: "want Authorization: Bearer with the token of sources.spring.actuator"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

// let tells whether a request brings the token. Both are hashed, so that the time this takes tells nothing.
func (h *handler) let(r *http.Request) bool {
	token, err := h.c.Token()
	if err != nil || token == "" {
		return false
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, have := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], have[:]) == 1
}

// created is the answer to a route that was saved.
type created struct{ id string }

func (h *handler) write(w http.ResponseWriter, r *http.Request, body any, err error) {
	var no *refusal
	switch made, is := body.(created); {
	case errors.As(err, &no):
		body = struct {
			Timestamp string       `json:"timestamp"`
			Path      string       `json:"path"`
			Status    int          `json:"status"`
			Error     string       `json:"error"`
			Message   string       `json:"message"`
			Errors    []fieldError `json:"errors,omitempty"`
		}{time.Now().UTC().Format("2006-01-02T15:04:05.000+00:00"), r.URL.Path, no.status, http.StatusText(no.status), no.message, no.errors}
		reply(w, no.status, body)
	case err != nil:
		h.write(w, r, nil, &refusal{status: http.StatusInternalServerError, message: err.Error()})
	case is:
		w.Header().Set("Location", "/routes/"+url.PathEscape(made.id))
		w.WriteHeader(http.StatusCreated)
	case body == nil:
		w.WriteHeader(http.StatusOK)
	default:
		reply(w, http.StatusOK, body)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // a client that left is its own affair
}

func unknown(id string) error {
	return &refusal{status: http.StatusNotFound, message: fmt.Sprintf("there is no route %q", id)}
}

// conflict is the refusal of what the file does not allow.
func conflict(err error) error {
	var no *refusal
	if err == nil || errors.As(err, &no) {
		return err
	}
	return &refusal{status: http.StatusConflict, message: err.Error()}
}

// listed are all definitions in the order in which their routes are tried.
func (h *handler) listed() []springgw.Definition {
	all := slices.Concat(h.c.Definitions(), h.c.Located())
	slices.SortStableFunc(all, func(a, b springgw.Definition) int { return cmp.Compare(a.Order, b.Order) })
	return all
}

func (h *handler) find(id string) (springgw.Definition, error) {
	all := h.listed()
	i := slices.IndexFunc(all, func(d springgw.Definition) bool { return d.ID == id })
	if i < 0 {
		return springgw.Definition{}, unknown(id)
	}
	return all[i], nil
}

func (h *handler) routes(*http.Request) (any, error) {
	out := []routeView{}
	for _, d := range h.listed() {
		out = append(out, viewOf(&d))
	}
	return out, nil
}

func (h *handler) route(r *http.Request) (any, error) {
	d, err := h.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return viewOf(&d), nil
}

func (h *handler) combined(r *http.Request) (any, error) {
	d, err := h.find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for i, f := range viewOf(&d).Filters {
		out[f] = i + 1
	}
	return out, nil
}

func (h *handler) definitions(*http.Request) (any, error) {
	out := []definitionView{}
	for _, d := range h.listed() {
		v := definitionView{ID: d.ID, Predicates: partsOf(d.Predicates), Filters: partsOf(d.Filters), URI: d.URI, Metadata: d.Metadata, Order: d.Order}
		if v.Metadata == nil {
			v.Metadata = json.RawMessage("{}")
		}
		out = append(out, v)
	}
	return out, nil
}

// read takes the body of a request, which is JSON.
func read(r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, message: "want Content-Type: application/json"}
	}
	text, err := io.ReadAll(r.Body)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("the body has more than %d bytes", maxBody)}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, message: "the body broke off"}
	}
	return text, nil
}

func (h *handler) save(r *http.Request) (any, error) {
	text, err := read(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	e, err := entry(text, id)
	if err != nil {
		return nil, &refusal{status: http.StatusBadRequest, message: "Failed to read HTTP message: " + err.Error()}
	}
	if x := misread(text); x != nil {
		x.Route = id
		return nil, invalid(*x)
	}
	if err := h.keep([]Entry{e}); err != nil {
		return nil, err
	}
	return created{id}, nil
}

// wantsIDs is Spring's own sentence.
const wantsIDs = "Saving multiple routes require specifying the ID for every route"

func (h *handler) saveAll(r *http.Request) (any, error) {
	text, err := read(r)
	if err != nil {
		return nil, err
	}
	all, err := parse(text)
	switch {
	case errors.Is(err, errNoID):
		return nil, &refusal{status: http.StatusBadRequest, message: wantsIDs}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, message: "Failed to read HTTP message: " + err.Error()}
	}
	var each []json.RawMessage
	_ = json.Unmarshal(text, &each) // parse has done it
	for i, raw := range each {
		if x := misread(raw); x != nil {
			x.Route = all[i].ID
			return nil, invalid(*x)
		}
	}
	return nil, h.keep(all)
}

// invalid is the refusal of definitions for what is wrong with their fields.
func invalid(wrong ...fieldError) error {
	first := wrong[0]
	return &refusal{status: http.StatusBadRequest, errors: wrong, message: fmt.Sprintf("Invalid RouteDefinition %s: %s: %s", first.Route, first.Field, first.Message)}
}

// keep saves definitions that can be served and have IDs that nobody else has.
func (h *handler) keep(all []Entry) error {
	_, wrong := springgw.Judge(h.c.Spring, string(print(all)), h.c.Check)
	var refused []fieldError
	for _, d := range wrong {
		if d.Severity == model.Error || d.Code == model.CodeInvalid { // a value that would have no effect is a slip too
			// What becomes of one in a file is not what becomes of this one.
			message := d.Message
			for _, becomes := range []string{"; the route answers 503", "; the route is left out", "; it has no effect"} {
				message = strings.TrimSuffix(message, becomes)
			}
			refused = append(refused, fieldError{d.Origin.Name, d.Field, message})
		}
	}
	if len(refused) > 0 {
		return invalid(refused...)
	}
	for _, d := range h.c.Definitions() {
		if d.File != h.c.Store.Path() && slices.ContainsFunc(all, func(e Entry) bool { return e.ID == d.ID }) {
			return &refusal{status: http.StatusConflict, message: fmt.Sprintf("route %s is defined at %s:%d, and stays so: change it there, or take another id", d.ID, d.File, d.Line)}
		}
	}
	return conflict(h.c.Store.Put(all...))
}

func (h *handler) remove(r *http.Request) (any, error) {
	id := r.PathValue("id")
	was, err := h.c.Store.Remove(id)
	if err == nil && !was {
		err = unknown(id)
	}
	return nil, conflict(err)
}
