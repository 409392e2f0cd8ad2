package example

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// sleepMax bounds ?sleep=.
const sleepMax = 30 * time.Second

// NodeHeader is the request header in which the listener that carried a request says its node.
const NodeHeader = "X-Paifang-Node"

// Answer is what the application says to every request.
type Answer struct {
	Service string            `json:"service"`
	Version string            `json:"version"`
	Pod     string            `json:"pod"`
	PodIP   string            `json:"podIP"`
	PodNode string            `json:"podNode"` // where the pod runs
	PID     int               `json:"pid"`
	Node    string            `json:"node"` // the listener that carried the request: node-1, node-2 or gateway
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"` // as they arrived, Host among them; several of one name are joined by ", "
}

// handler answers requests.
type handler struct {
	settings
	draining atomic.Bool // it is about to end: no connection is kept
}

// ServeHTTP answers /healthz for probes, and everything else with an Answer. ?sleep=200ms, 30 s at most, has it answer
// later; ?status=503 with another status, from 200 to 599.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	if r.URL.Path == "/healthz" {
		if h.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
		return
	}
	status, err := h.obey(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	headers := make(map[string]string, len(r.Header)+1)
	for name, values := range r.Header {
		headers[name] = strings.Join(values, ", ")
	}
	headers["Host"] = r.Host
	body, err := json.MarshalIndent(Answer{
		Service: Service, Version: h.version, Pod: h.pod, PodIP: h.addr.Addr().String(), PodNode: h.node, PID: os.Getpid(),
		Node: r.Header.Get(NodeHeader), Path: r.URL.EscapedPath(), Headers: headers,
	}, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// obey does what the query asks for and returns the status to answer.
func (h *handler) obey(r *http.Request) (int, error) {
	q := r.URL.Query()
	status := http.StatusOK
	if v := q.Get("status"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 200 || n > 599 {
			return 0, fmt.Errorf("status=%.20q: want a number from 200 to 599", v)
		}
		status = n
	}
	if v := q.Get("sleep"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 || d > sleepMax {
			return 0, fmt.Errorf("sleep=%.20q: want a time from 0s to %s, such as 200ms", v, sleepMax)
		}
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
	}
	return status, nil
}
