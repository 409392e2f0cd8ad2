package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

// review is an AdmissionReview, as far as it is read and written.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID       string          `json:"uid"`
	Kind      kind            `json:"kind"`
	Operation string          `json:"operation"`
	Namespace string          `json:"namespace"`
	Object    json.RawMessage `json:"object"`
}

type kind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type response struct {
	UID      string   `json:"uid"`
	Allowed  bool     `json:"allowed"`
	Status   *result  `json:"status,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

type result struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// The API server cuts warnings that are longer in all.
const (
	mostWarnings = 4000 // bytes in all
	mostWarning  = 250  // bytes of one
)

// ServeHTTP answers a review.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path && r.URL.Path != PathOfIngressNginx || r.Method != http.MethodPost {
		http.Error(w, "POST an AdmissionReview to "+Path, http.StatusNotFound)
		return
	}
	var in review
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&in); err != nil || in.Request == nil {
		http.Error(w, "this is no AdmissionReview with a request", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	select {
	case s.tokens <- struct{}{}:
		defer func() { <-s.tokens }()
	case <-ctx.Done():
		http.Error(w, "too many reviews at once", http.StatusServiceUnavailable)
		return
	}
	out := review{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: s.judge(in.Request)}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		s.cfg.Log.Debug("a review could not be answered", "err", err)
	}
}

// judge never refuses what it cannot judge: that would be for the cluster to suffer.
func (s *Server) judge(q *request) *response {
	out := &response{UID: q.UID, Allowed: true}
	if q.Kind.Kind != "Ingress" || q.Operation != "CREATE" && q.Operation != "UPDATE" {
		return out
	}
	v := &networkingv1.Ingress{}
	if err := json.Unmarshal(q.Object, v); err != nil {
		out.Warnings = []string{"paifang: the object cannot be read: " + err.Error()}
		return out
	}
	if v.Namespace == "" {
		v.Namespace = q.Namespace
	}
	said, err := s.check(v)
	if err != nil {
		out.Warnings = []string{"paifang: not checked: " + err.Error()}
		return out
	}
	var refused []string
	left := mostWarnings
	for _, d := range said {
		text := sentence(d)
		if s.cfg.Deny && d.Severity == model.Error && own(d.Code) {
			refused = append(refused, text)
			continue
		}
		if len(text) > mostWarning {
			text = strings.ToValidUTF8(text[:mostWarning], "") + "…"
		}
		if left -= len(text); d.Severity > model.Info && left > 0 {
			out.Warnings = append(out.Warnings, text)
		}
	}
	if len(refused) > 0 {
		out.Allowed = false
		out.Status = &result{Code: http.StatusUnprocessableEntity, Reason: "Invalid", Message: strings.Join(refused, "; ")}
	}
	return out
}

// check returns the diagnostics about an Ingress, were it applied.
func (s *Server) check(v *networkingv1.Ingress) ([]model.Diagnostic, error) {
	namespace, name := v.Namespace, v.Name
	groups, err := s.cfg.Source.Try(v)
	if err != nil {
		return nil, err
	}
	said, err := s.cfg.Judge(groups)
	return slices.DeleteFunc(said, func(d model.Diagnostic) bool {
		return d.Origin.Kind != "Ingress" || d.Origin.Namespace != namespace || d.Origin.Name != name
	}), err
}

func sentence(d model.Diagnostic) string {
	if d.Field == "" {
		return fmt.Sprintf("%s: %s", d.Code, d.Message)
	}
	return fmt.Sprintf("%s: %s: %s", d.Code, d.Field, d.Message)
}

// own tells whether a fault is one of the Ingress itself. That a Service or Secret is missing is none: it may be applied next.
func own(c model.Code) bool {
	return slices.Contains([]model.Code{model.CodeInvalid, model.CodeDuplicateRoute, model.CodeInvalidFilter, model.CodeUnknownFilter}, c)
}
