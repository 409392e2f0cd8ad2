package httpproxy

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"paifang/internal/model"
)

// TestDroppedBodies has filters give answers statuses that have no body: however long the upstream's is, and though it never ends, the
// client has a whole answer, and sends its next request on the same connection.
func TestDroppedBodies(t *testing.T) {
	srv := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		switch r.URL.Path {
		case "/sized":
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "sized")
		case "/parts":
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "parts")
		case "/endless":
			_, _ = io.WriteString(w, "endless")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
		w.Header().Set("Grpc-Status", "0")
	})
	s := newStand(t, withBuiltin)
	s.list("u", srv.Addr().String())
	for name, v := range map[string]model.HTTPVersion{"1": "", "2": model.H2C} {
		for _, status := range []int{204, 205, 304} {
			s.route(fmt.Sprint(name, status), fmt.Sprintf("/%s/%d", name, status), fmt.Sprint("u", name, status),
				having(`strip-prefix {"parts":2}`, fmt.Sprintf(`status {"status":%d}`, status), `compress {"minSize":0,"types":["application/grpc"]}`))
			s.speaks(v)
			s.routes[len(s.routes)-1].Upstreams[0].Endpoints[0].Name = "u"
		}
	}
	s.publish()
	for name, c := range map[string]*http.Client{"1": http1Client(t, s.addr("front")), "2": http2Client(t, s.addr("front"))} {
		for _, up := range []string{"1", "2"} {
			for _, status := range []int{204, 205, 304} {
				for _, path := range []string{"/sized", "/parts", "/endless", "/empty"} {
					for _, method := range []string{"GET", "HEAD"} {
						if method == "HEAD" && path == "/endless" {
							continue // the server has no answer before the end
						}
						resp, body := do(t, c, method, fmt.Sprintf("http://shop.test/%s/%d%s", up, status, path), nil, accepting("gzip"))
						what := fmt.Sprintf("HTTP/%s to %s: %s %s with %d", name, up, method, path, status)
						length := resp.Header.Get("Content-Length")
						if resp.StatusCode != status || body != "" || len(resp.TransferEncoding) > 0 || length != "" && (status != 205 || length != "0") {
							t.Errorf("%s: %d %q %v %v", what, resp.StatusCode, body, resp.Header, resp.TransferEncoding)
						}
						if status != 304 && resp.Header.Get("Content-Type") != "" {
							t.Errorf("%s: %v", what, resp.Header)
						}
					}
				}
			}
		}
	}
}
