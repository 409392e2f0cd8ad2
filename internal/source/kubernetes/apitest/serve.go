package apitest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// target is what a URL is about.
type target struct{ version, resource, namespace, name, sub string }

func parse(path string) (t target) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case parts[0] == "api" && len(parts) > 2:
		t.version, parts = parts[1], parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		t.version, parts = parts[1]+"/"+parts[2], parts[3:]
	default:
		return t
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		t.namespace, parts = parts[1], parts[2:]
	}
	t.resource = parts[0]
	if len(parts) > 1 {
		t.name = parts[1]
	}
	if len(parts) > 2 {
		t.sub = "/" + parts[2]
	}
	return t
}

func (t target) covers(path string) bool {
	rest, ok := strings.CutPrefix(path, t.version+"/"+t.resource+"/")
	if !ok {
		return false
	}
	namespace, _, _ := strings.Cut(rest, "/")
	return t.namespace == "" || t.namespace == namespace
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	t := parse(r.URL.Path)
	if t.resource == "" {
		fail(w, http.StatusNotFound, "NotFound", "there is no "+r.URL.Path)
		return
	}
	q := r.URL.Query()
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete", http.MethodGet: "get"}[r.Method]
	if verb == "get" && t.name == "" {
		verb = "list"
		if q.Get("watch") != "" && q.Get("sendInitialEvents") != "true" {
			verb = "watch"
		}
	}
	name := verb + " " + t.resource + t.sub
	if strings.HasPrefix(q.Get("fieldSelector"), "metadata.name=") {
		name += " by name"
	}
	s.mu.Lock()
	s.requests[name]++
	status := s.refused[name]
	s.mu.Unlock()
	if status != 0 {
		fail(w, status, map[int]string{403: "Forbidden"}[status], "refused by the test")
		return
	}
	switch {
	case q.Get("watch") != "":
		s.watch(w, r, t)
	case verb == "list":
		s.mu.Lock()
		items, version := s.matching(t, selectionOf(q)), s.version
		s.mu.Unlock()
		answer(w, http.StatusOK, object{"kind": kindOf(t.resource) + "List", "apiVersion": t.version, "metadata": object{"resourceVersion": strconv.Itoa(version)}, "items": items})
	default:
		s.write(w, r, t, verb)
	}
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, t target, verb string) {
	var body object
	raw, err := io.ReadAll(r.Body)
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if verb == "create" {
		t.name = text(body, "name")
	}
	path := place(t.version, t.resource, t.namespace, t.name)
	was := s.objects[path]
	switch {
	case verb == "create" && was != nil:
		fail(w, http.StatusConflict, "AlreadyExists", path+" exists")
		return
	case verb != "create" && was == nil:
		fail(w, http.StatusNotFound, "NotFound", path+" does not exist")
		return
	case verb == "get":
		answer(w, http.StatusOK, was)
		return
	case verb == "update" && text(body, "resourceVersion") != text(was, "resourceVersion"):
		fail(w, http.StatusConflict, "Conflict", path+" was changed")
		return
	case verb == "patch":
		merged := copyOf(was)
		merge(merged, body)
		body = merged
	}
	s.put(path, body)
	answer(w, http.StatusOK, s.objects[path])
}

// merge is a JSON merge patch (RFC 7396).
func merge(into, patch object) {
	for k, v := range patch {
		if v == nil {
			delete(into, k)
			continue
		}
		part, isObject := v.(object)
		inner, hasObject := into[k].(object)
		if isObject && hasObject {
			merge(inner, part)
			continue
		}
		into[k] = v
	}
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request, t target) {
	q := r.URL.Query()
	of := selectionOf(q)
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	var timeout <-chan time.Time
	if seconds, _ := strconv.Atoi(q.Get("timeoutSeconds")); seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	enc, rc := json.NewEncoder(w), http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	send := func(kind string, o object) {
		_ = enc.Encode(object{"type": kind, "object": o})
	}
	s.mu.Lock()
	if q.Get("sendInitialEvents") == "true" {
		for _, o := range s.matching(t, of) {
			send("ADDED", o)
		}
		from = s.version
		send("BOOKMARK", object{"kind": kindOf(t.resource), "apiVersion": t.version, "metadata": object{
			"resourceVersion": strconv.Itoa(from), "annotations": object{"k8s.io/initial-events-end": "true"}}})
	} else if from < s.oldest {
		s.mu.Unlock()
		send("ERROR", status(http.StatusGone, "Expired", "too old resource version"))
		return
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		for _, e := range s.history {
			if e.version <= from || !t.covers(e.path) {
				continue
			}
			if kind, told := of.kindFor(e); told {
				send(kind, e.object)
			}
		}
		from = s.version
		changed := s.changed
		s.mu.Unlock()
		if rc.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func kindOf(resource string) string {
	return map[string]string{"ingresses": "Ingress", "ingressclasses": "IngressClass", "services": "Service", "endpointslices": "EndpointSlice",
		"secrets": "Secret", "configmaps": "ConfigMap", "nodes": "Node", "pods": "Pod", "namespaces": "Namespace", "deployments": "Deployment", "daemonsets": "DaemonSet"}[resource]
}

func status(code int, reason, message string) object {
	return object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, status(code, reason, message))
}

func answer(w http.ResponseWriter, code int, o object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(o); err != nil {
		_, _ = fmt.Fprintln(w, err)
	}
}
