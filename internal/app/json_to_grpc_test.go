package app

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/manifest"
)

// TestCallsOverHTTP2 asks as browsers do, over HTTP/2: what is answered is JSON, or an answer of ours, and never gRPC's own.
func TestCallsOverHTTP2(t *testing.T) {
	calls, descriptors := newCallServer(t)
	plain := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch b, _ := io.ReadAll(r.Body); {
		case r.Header.Get("X-Kind") == "page":
			fmt.Fprintf(w, "%s %s %d", r.Method, r.URL, len(b))
		case r.Header.Get("X-Kind") == "broken":
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte{0, 0, 0, 0, 9, 1})
			w.Header().Set("Grpc-Status", "0")
		default:
			w.Header().Set("Content-Type", "application/grpc+proto")
			_, _ = w.Write([]byte{0, 0, 0, 0, 0})
		}
	}))
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	t.Cleanup(plain.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	var text strings.Builder
	objects := &model.Objects{Listeners: []model.Listener{{ID: "http", Class: "ingress", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}
	for name, at := range map[string]string{"calls": calls, "plain": plain.Listener.Addr().String(), "gone": gone.Addr().String()} {
		fmt.Fprintf(&text, `apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: %[1]s}
spec: {endpoints: [{keeper: static, name: %[1]s}], protocol: h2c}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: %[1]s}
spec:
  attach: [ingress]
  match: {path: {kind: Prefix, value: /%[1]s}}
  filters:
  - {kind: compress, config: {types: [application/json], minSize: 1}}
  - {kind: json-to-grpc, config: {service: Health, method: Check, maxBytes: 1000, descriptors: %[2]s}}
  forward: {targets: [{upstream: %[1]s}]}
---
`, name, descriptorText(descriptors))
		objects.Endpoints = append(objects.Endpoints, model.EndpointSet{List: model.EndpointsID{Keeper: "static", Name: name}, Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort(at)}}})
	}
	file := filepath.Join(t.TempDir(), "calls.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, _, err := manifest.Load(manifest.Options{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	at := newChain(t, append(groups, source.Group{Key: "ground", Objects: objects})).address()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
		transport.Protocols.SetUnencryptedHTTP2(protocol != "HTTP/1.1")
		for _, c := range []struct {
			path, kind, body string
			status           int
			reason, want     string
		}{
			{"/calls", "", `{"service":"order"}`, 200, "", `{"status":"SERVING"}`},
			{"/calls", "", "", 200, "", `{"status":"SERVING"}`},
			{"/calls", "", `{"service":"late"}`, 404, "", `{"code":5,"message":"no such thing"}`},
			{"/calls", "", `{"service":"` + strings.Repeat("x", 1000) + `"}`, 413, "body-too-large", ""},
			{"/gone", "", `{"service":"order"}`, 502, "connect-refused", ""},
			{"/plain/x?y", "page", `{"service":"order"}`, 200, "", "POST /grpc.health.v1.Health/Check 12"},
			{"/plain", "broken", `{"service":"order"}`, 502, "answer-not-changed", ""},
			{"/plain", "no status", `{"service":"order"}`, 502, "answer-not-changed", ""},
		} {
			q, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+at+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("X-Kind", c.kind)
			r, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil || r.Proto != protocol || r.StatusCode != c.status || r.Header.Get("X-Paifang-Reason") != c.reason || c.want != "" && string(body) != c.want || len(r.Trailer) > 0 || r.Header.Get("Grpc-Status") != "" {
				t.Errorf("%s %s %s %.40s: %s %v %q trailers %v, %v", protocol, c.path, c.kind, c.body, r.Status, r.Header, body, r.Trailer, err)
			}
		}
		transport.CloseIdleConnections()
	}
}
