package httpproxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestGRPCAnswers: answers of our own are ones that gRPC understands: a head alone, with its status.
func TestGRPCAnswers(t *testing.T) {
	s := newStand(t, nil)
	s.list("dead", refusing(t))
	s.list("empty")
	s.route("dead", "/dead", "dead")
	s.speaks(model.H2C)
	s.route("empty", "/empty", "empty")
	for _, status := range []int{200, 302, 401, 403, 404, 413, 429, 500, 504} {
		s.route(fmt.Sprint(status), fmt.Sprint("/", status), "empty", func(r *model.Route) {
			r.Action = model.Respond{Status: status, Body: "100 % näher\n", Code: "because"}
		})
	}
	s.publish()
	r := s.dial2()
	id := uint32(1)
	for path, want := range map[string]struct {
		grpc, reason, message string
		log                   int
	}{
		"/dead": {"14", "connect-refused", "The service behind this address gave no valid answer.", 502}, "/empty": {"14", "no-endpoints", "The service behind this address is not available at the moment.", 503},
		"/none": {"12", "no-route", "Nothing is served here.", 404}, "/a%00": {"13", "encoded-nul", "This request is not valid HTTP.", 400},
		"/200": {"2", "because", "100 %25 n%C3%A4her", 200}, "/302": {"2", "because", "100 %25 n%C3%A4her", 302}, "/401": {"16", "because", "100 %25 n%C3%A4her", 401},
		"/403": {"7", "because", "100 %25 n%C3%A4her", 403}, "/404": {"12", "because", "100 %25 n%C3%A4her", 404}, "/413": {"8", "because", "100 %25 n%C3%A4her", 413},
		"/429": {"14", "because", "100 %25 n%C3%A4her", 429}, "/500": {"2", "because", "100 %25 n%C3%A4her", 500}, "/504": {"4", "because", "100 %25 n%C3%A4her", 504},
	} {
		r.headers(id, true, ":method: POST", ":scheme: http", ":authority: shop.test", ":path: "+path, "content-type: application/grpc+proto", "te: trailers")
		a := r.answers(1)[id]
		if a.status != "200" || a.head["content-type"] != "application/grpc" || a.head["grpc-status"] != want.grpc || a.head["grpc-message"] != want.message ||
			!a.alone || a.head["x-paifang-reason"] != want.reason || a.body != "" || len(a.trailer) > 0 || a.head["content-length"] != "" {
			t.Errorf("%s: %+v", path, a)
		}
		if l := s.last(int(id+1) / 2); l.Status != want.log || l.Reason != want.reason {
			t.Errorf("%s: %+v", path, l)
		}
		id += 2
	}
	for _, kind := range []string{"application/grpc-web", "application/json", "application/grpcx"} {
		r.headers(id, true, ":method: POST", ":scheme: http", ":authority: shop.test", ":path: /none", "content-type: "+kind)
		if a := r.answers(1)[id]; a.status != "404" || a.head["grpc-status"] != "" {
			t.Errorf("%s: %+v", kind, a)
		}
		id += 2
	}
}

// TestGRPCTrailersOnly: an answer that is a head alone stays one, and fields behind a body stay behind it.
func TestGRPCTrailersOnly(t *testing.T) {
	s, _ := onHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		if r.URL.Path == "/fails" {
			w.Header().Set("Grpc-Status", "5")
			w.Header()["Content-Length"] = nil
			return
		}
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		w.Write([]byte("message"))
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"X-Request-Id", "theirs")
	}, nil)
	r := s.dial2()
	call := func(id uint32, path string) *answer {
		r.headers(id, true, ":method: POST", ":scheme: http", ":authority: shop.test", ":path: "+path, "content-type: application/grpc", "te: trailers", "grpc-timeout: 1S")
		return r.answers(1)[id]
	}
	if a := call(1, "/fails"); !a.alone || a.head["grpc-status"] != "5" || len(a.trailer) > 0 || a.head["content-length"] != "" {
		t.Errorf("%+v", a)
	}
	if a := call(3, "/works"); a.body != "message" || a.trailer["grpc-status"] != "0" || a.trailer["x-request-id"] != "theirs" || a.head["grpc-status"] != "" {
		t.Errorf("%+v", a)
	}
	// A client of HTTP/1.1 gets the trailers that mean no harm, if it takes any.
	_, resp := doTrailers(t, http1Client(t, s.addr("front")), "http://shop.test/works")
	if resp.Get("Grpc-Status") != "0" || resp.Get("X-Request-Id") != "" {
		t.Errorf("%v", resp)
	}
}

func doTrailers(t *testing.T, c *http.Client, url string) (string, http.Header) {
	t.Helper()
	r, body := do(t, c, "POST", url, strings.NewReader(""), func(r *http.Request) { r.Header.Set("TE", "trailers") })
	return body, r.Trailer
}
