// Package apitest is an API server for tests: list, watch and the few writes that the controller makes, over HTTP and in JSON. It
// has no types, no validation and no permissions.
package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// Server is one API server. Its objects outlive Down and Up.
type Server struct {
	t       testing.TB
	address string

	mu       sync.Mutex
	http     *http.Server
	objects  map[string]object // by path
	history  []event
	oldest   int // resource version that a watch may begin at
	version  int
	changed  chan struct{} // closed at the next change
	requests map[string]int
	refused  map[string]int // status for a request, by its name
}

type object = map[string]any

type event struct {
	version int
	kind    string // ADDED, MODIFIED, DELETED
	path    string
	object  object
	was     object // nil: it was not there
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{t: t, objects: map[string]object{}, version: 1, changed: make(chan struct{}), requests: map[string]int{}, refused: map[string]int{}}
	s.Up()
	t.Cleanup(s.Down)
	return s
}

// Up makes the server reachable at the address it had before.
func (s *Server) Up() {
	s.t.Helper()
	at := s.address
	if at == "" {
		at = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = l.Addr().String()
	h := &http.Server{Handler: http.HandlerFunc(s.serve)}
	s.mu.Lock()
	s.http = h
	s.mu.Unlock()
	go func() { _ = h.Serve(l) }()
}

// Down closes the server and all of its connections.
func (s *Server) Down() {
	s.mu.Lock()
	h := s.http
	s.http = nil
	s.mu.Unlock()
	if h != nil {
		_ = h.Close()
	}
}

// Forget drops the history: a watch that wants to go on where it was has to list again.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.oldest = nil, s.version
}

// Refuse answers a request, named as Requests does, with a status; 0 answers it again.
func (s *Server) Refuse(name string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[name] = status
}

// Kubeconfig writes a kubeconfig for the server.
func (s *Server) Kubeconfig() string {
	s.t.Helper()
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters:\n- name: test\n  cluster: {server: http://%s}\ncontexts:\n- name: test\n"+
		"  context: {cluster: test, user: test, namespace: paifang-system}\nusers:\n- name: test\n  user: {}\ncurrent-context: test\n", s.address)
	name := filepath.Join(s.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// Requests tells how often each request was made: "list ingresses", "watch secrets by name", "patch ingresses/status". A watch that
// asks for what there is first counts as a list.
func (s *Server) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.requests)
}

// Apply adds or replaces the objects of YAML documents.
func (s *Server) Apply(text string) {
	s.t.Helper()
	for _, doc := range strings.Split(text, "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			s.t.Fatalf("%v in:\n%s", err, doc)
		}
		s.mu.Lock()
		s.put(pathOf(o), o)
		s.mu.Unlock()
	}
}

// Delete removes an object: "networking.k8s.io/v1", "ingresses", "shop", "web".
func (s *Server) Delete(version, resource, namespace, name string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	path := place(version, resource, namespace, name)
	o := s.objects[path]
	if o == nil {
		s.t.Fatalf("%s does not exist", path)
	}
	delete(s.objects, path)
	s.tell("DELETED", path, o, o)
}

// Get returns an object, or nil.
func (s *Server) Get(version, resource, namespace, name string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[place(version, resource, namespace, name)]
}

// List returns the objects of a resource in all namespaces, in the order of their paths.
func (s *Server) List(version, resource string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.matching(target{version: version, resource: resource}, selection{})
}

func place(version, resource, namespace, name string) string {
	return version + "/" + resource + "/" + namespace + "/" + name
}

func pathOf(o object) string {
	kind, _ := o["kind"].(string)
	resource := strings.ToLower(kind) + "s"
	if strings.HasSuffix(kind, "s") { // Ingress, IngressClass
		resource = strings.ToLower(kind) + "es"
	}
	return place(fmt.Sprint(o["apiVersion"]), resource, text(o, "namespace"), text(o, "name"))
}

func meta(o object) object {
	m, _ := o["metadata"].(object)
	if m == nil {
		m = object{}
		o["metadata"] = m
	}
	return m
}

func text(o object, name string) string {
	v, _ := meta(o)[name].(string)
	return v
}

// put stores an object with a new version; s.mu is held.
func (s *Server) put(path string, o object) {
	kind := "ADDED"
	was := s.objects[path]
	if was != nil {
		kind = "MODIFIED"
		meta(o)["uid"], meta(o)["creationTimestamp"] = meta(was)["uid"], meta(was)["creationTimestamp"]
	} else {
		meta(o)["uid"] = "uid-" + strconv.Itoa(s.version)
		meta(o)["creationTimestamp"] = fmt.Sprintf("2026-01-01T00:%02d:%02dZ", s.version/60%60, s.version%60)
	}
	s.objects[path] = o
	s.tell(kind, path, o, was)
}

func (s *Server) tell(kind, path string, o, was object) {
	s.version++
	copied := copyOf(o)
	meta(copied)["resourceVersion"] = strconv.Itoa(s.version)
	if kind != "DELETED" {
		s.objects[path] = copied
	}
	s.history = append(s.history, event{s.version, kind, path, copied, was})
	close(s.changed)
	s.changed = make(chan struct{})
}

func copyOf(o object) object {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err) // it came from YAML or JSON
	}
	var out object
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	return out
}

// matching are the objects that a request means; s.mu is held.
func (s *Server) matching(t target, of selection) []object {
	out := []object{}
	for _, path := range slices.Sorted(maps.Keys(s.objects)) {
		if t.covers(path) && of.takes(s.objects[path]) {
			out = append(out, s.objects[path])
		}
	}
	return out
}

// selection is what a request asks of objects.
type selection struct{ fields, labels string }

func selectionOf(q url.Values) selection {
	return selection{q.Get("fieldSelector"), q.Get("labelSelector")}
}

// takes tells whether an object is selected: by one field, and by labels that are all equal to something.
func (s selection) takes(o object) bool {
	if o == nil {
		return false
	}
	if name, ok := strings.CutPrefix(s.fields, "metadata.name="); ok && text(o, "name") != name {
		return false
	}
	if kind, ok := strings.CutPrefix(s.fields, "type="); ok && o["type"] != kind {
		return false
	}
	has, _ := meta(o)["labels"].(object)
	for part := range strings.SplitSeq(s.labels, ",") {
		if name, value, ok := strings.Cut(part, "="); ok && has[name] != value {
			return false
		}
	}
	return true
}

// kindFor is what a watch is told of an event: what came to be selected was added, and what no longer is was deleted.
func (s selection) kindFor(e event) (kind string, told bool) {
	is, was := s.takes(e.object), s.takes(e.was)
	switch {
	case e.kind == "DELETED":
		return e.kind, was
	case is && !was:
		return "ADDED", true
	case was && !is:
		return "DELETED", true
	}
	return e.kind, is
}
