package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"paifang/internal/explain"
)

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ready, why := true, []string(nil)
	if s.cfg.Health != nil {
		ready, why = s.cfg.Health.Ready()
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		body, _ := json.Marshal(struct {
			Ready bool     `json:"ready"`
			Why   []string `json:"why,omitempty"`
		}{ready, why}) // strings always have a JSON form
		answer(w, status, "application/json", body)
		return
	}
	if ready {
		text(w, status, "ready\n")
		return
	}
	text(w, status, "not ready\n- "+strings.Join(why, "\n- ")+"\n")
}

func (s *Server) config(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Printed == nil {
		notFound(w, r)
		return
	}
	body, err := s.cfg.Printed()
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, "application/yaml", body)
}

// list answers with the rows of a kind, those whose name contains ?name= where it is given. Where some of several
// processes do not answer, their rows are missing and X-Paifang-Missing says why.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	kind, err := ParseKind(r.PathValue("kind"))
	if err != nil || string(kind) != r.PathValue("kind") || s.cfg.Reader == nil {
		if err == nil {
			err = errors.New("there is nothing here")
		}
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	view, err := s.cfg.Reader.Read(r.Context(), kind)
	var partial *PartialError
	switch {
	case errors.As(err, &partial):
		w.Header().Set("X-Paifang-Missing", oneLine(partial.Err.Error()))
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	if name := r.URL.Query().Get("name"); name != "" {
		view.Narrow(kind, name)
	}
	body, err := view.Encode(kind)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, "application/json", body)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Explained is the answer of /api/v1/explain: a result, or two for ?url2=.
type Explained struct {
	Results []explain.Result `json:"items"`
}

// explain takes ?url=, ?url2=, ?method= and any number of ?header=Name:+value. ?send=true makes the request, which only
// POST may ask for: a page elsewhere must not have requests made.
func (s *Server) explain() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := http.MethodGet
		send, err := boolean(r.URL.Query().Get("send"))
		if send {
			method = http.MethodPost
		}
		only(method, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case err != nil:
				fail(w, http.StatusBadRequest, "send: "+err.Error())
			case s.cfg.Explainer == nil:
				notFound(w, r)
			case empty(w, r):
				s.explained(w, r, send)
			}
		}).ServeHTTP(w, r)
	})
}

func boolean(s string) (bool, error) {
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("want true or false")
	}
	return b, nil
}

func (s *Server) explained(w http.ResponseWriter, r *http.Request, send bool) {
	q := r.URL.Query()
	urls := q["url"]
	if u := q.Get("url2"); u != "" {
		urls = append(urls, u)
	}
	if len(urls) == 0 || len(urls) > 2 {
		fail(w, http.StatusBadRequest, "explain takes one URL, or two to compare: ?url=…&url2=…")
		return
	}
	var out Explained
	for _, u := range urls {
		result, err := s.cfg.Explainer.Explain(r.Context(), explain.Request{URL: u, Method: q.Get("method"), Headers: q["header"]}, send)
		if err != nil {
			fail(w, http.StatusBadRequest, strings.TrimPrefix(err.Error(), "explain: "))
			return
		}
		out.Results = append(out.Results, result)
	}
	body, err := json.Marshal(out)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, "application/json", body)
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	verb, piece := Verb(r.PathValue("verb")), r.PathValue("piece")
	if s.cfg.Actions == nil || verb != Stop && verb != Start {
		notFound(w, r)
		return
	}
	signal, err := ParseSignal(verb, r.URL.Query().Get("signal"))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if err := checkPiece(s.cfg.Actions, piece); err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	if !empty(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actTimeout)
	defer cancel()
	if err := s.cfg.Actions.Act(ctx, piece, verb, signal); err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	s.cfg.Log.Info("a piece was told", "piece", piece, "verb", string(verb), "signal", string(signal))
	answer(w, http.StatusOK, "application/json", []byte("{}"))
}

// reopen opens the access log again, for a rotation that has renamed its file.
func (s *Server) reopen(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Reopen == nil {
		notFound(w, r)
		return
	}
	if !empty(w, r) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actTimeout)
	defer cancel()
	if err := s.cfg.Reopen(ctx); err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	answer(w, http.StatusOK, "application/json", []byte("{}"))
}
