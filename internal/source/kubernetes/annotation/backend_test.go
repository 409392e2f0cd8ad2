package annotation_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/fcgi"
	"strconv"
	"strings"
	"sync"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
	"paifang/internal/trace/tracetest"
)

// backend is the endpoints of one service. Each keeps what it was asked and answers with its name in the field Pod, and as the
// request's field X-Answer says: "503", "reset", "slow" (three seconds, or until nobody waits), "early" (without reading the
// body), or a list of POD=ANSWER.
// "garbage" is an answer with a field that is none, "upgrade" one that changes the protocol and then is silent.
type backend struct {
	name      string
	endpoints []model.Endpoint
	servers   []*http.Server
	done      sync.WaitGroup
	ends      []func()
	collector *tracetest.Collector // nil: it takes no traces

	mu   sync.Mutex
	seen []*http.Request // with Body replaced by what was in it
	got  []string        // bodies
}

func newBackend(ca *certstest.Authority, s service) (*backend, error) {
	b := &backend{name: s.name}
	if s.how == "missing" || s.how == "otlp" {
		return b, nil
	}
	return b, b.grow(ca, s)
}

// grow gives it endpoints until it has as many as s says.
func (b *backend) grow(ca *certstest.Authority, s service) error {
	for i := len(b.endpoints); i < s.endpoints; i++ {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.stop()
			return err
		}
		pod := s.name + "-" + strconv.Itoa(i+1)
		b.endpoints = append(b.endpoints, model.Endpoint{Addr: ln.Addr().(*net.TCPAddr).AddrPort(), Name: pod})
		if s.how == "full" {
			_ = ln.Close()
			end, addr, err := fullListener()
			if err != nil {
				b.stop()
				return err
			}
			b.ends = append(b.ends, end)
			b.endpoints[i].Addr = addr
			continue
		}
		if s.how == "deaf" {
			b.done.Go(func() { holdAll(ln) })
			b.ends = append(b.ends, func() { _ = ln.Close() })
			continue
		}
		if s.how == "closed" || s.how == "closed-first" && i == 0 {
			_ = ln.Close()
			continue
		}
		if s.how == "fcgi" {
			b.done.Go(func() { _ = fcgi.Serve(ln, told(b.handler(pod))) })
			b.ends = append(b.ends, func() { _ = ln.Close() })
			continue
		}
		srv := &http.Server{Handler: b.handler(pod), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		switch s.how {
		case "h2c":
			srv.Protocols = new(http.Protocols)
			srv.Protocols.SetUnencryptedHTTP2(true)
		case "https", "mtls", "h2":
			srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{ca.Server("shop.test", s.name+".shop.test")}}
			if s.how == "mtls" {
				srv.TLSConfig.ClientAuth, srv.TLSConfig.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
			}
			if s.how == "h2" {
				srv.Protocols = new(http.Protocols)
				srv.Protocols.SetHTTP2(true)
				srv.TLSConfig.NextProtos = []string{"h2"}
			}
			ln = tls.NewListener(ln, srv.TLSConfig)
		case "either":
			both := newEither(ln, &tls.Config{Certificates: []tls.Certificate{ca.Server("shop.test")}})
			over := &http.Server{Handler: srv.Handler, ReadHeaderTimeout: srv.ReadHeaderTimeout, ErrorLog: srv.ErrorLog}
			b.servers = append(b.servers, over)
			b.done.Go(func() { _ = over.Serve(both.secure) })
			b.done.Go(both.under.Wait)
			ln = both.clear
		}
		b.servers = append(b.servers, srv)
		b.done.Go(func() { _ = srv.Serve(ln) })
	}
	return nil
}

// told has a request of FastCGI show the parameters that are no part of one of HTTP, as fields Env-NAME.
func told(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range fcgi.ProcessEnv(r) {
			r.Header.Set("Env-"+name, value)
		}
		r.RequestURI = r.URL.RequestURI()
		h.ServeHTTP(w, r)
	})
}

func (b *backend) stop() {
	for _, s := range b.servers {
		_ = s.Close()
	}
	for _, end := range b.ends {
		end()
	}
	b.done.Wait()
}

func (b *backend) handler(pod string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answerOf(r.Header.Get("X-Answer"), pod)
		var body []byte
		if answer != "early" {
			body, _ = io.ReadAll(r.Body)
		}
		b.mu.Lock()
		b.seen, b.got = append(b.seen, r.Clone(context.Background())), append(b.got, string(body))
		b.mu.Unlock()
		w.Header().Set("Pod", pod)
		for _, f := range r.Header.Values("X-Give") { // fields of the answer
			if name, value, ok := strings.Cut(f, ": "); ok {
				w.Header().Add(name, value)
			}
		}
		switch answer {
		case "", "early":
			fmt.Fprintf(w, "%s answers\n", pod)
		case "reset":
			panic(http.ErrAbortHandler)
		case "garbage", "upgrade":
			sayRaw(w, answer)
		case "pause":
			time.Sleep(100 * time.Millisecond) // what an endpoint does that has much to do, beside a machine that has too
			fmt.Fprintf(w, "%s answers\n", pod)
		case "slow":
			select {
			case <-time.After(3 * time.Second): // a case waits a second and a quarter at most, on a machine that may have much to do
			case <-r.Context().Done():
			}
			fmt.Fprintln(w, "at last")
		default:
			status, err := strconv.Atoi(answer)
			if err != nil {
				status = 599
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, "%s says %d\n", pod, status)
		}
	})
}

// turn is how many requests came on the connection of the last one so far.
func (b *backend) turn() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, r := range b.seen {
		if r.RemoteAddr == b.seen[len(b.seen)-1].RemoteAddr {
			n++
		}
	}
	return n
}

// sayRaw writes an answer past net/http, and holds an upgraded connection until the other side ends it.
func sayRaw(w http.ResponseWriter, answer string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if answer == "garbage" {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nno field\r\n\r\n")
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nPod: "+w.Header().Get("Pod")+"\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.Copy(io.Discard, conn)
}

// holdAll accepts connections, reads nothing of them, and closes them when the listener is closed.
func holdAll(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		defer c.Close()
	}
}

// answerOf reads X-Answer for one endpoint.
func answerOf(text, pod string) string {
	for part := range strings.SplitSeq(text, ",") {
		name, answer, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !ok:
			return name
		case name == pod:
			return answer
		}
	}
	return ""
}

// last is what was asked last, with its body.
func (b *backend) last() (*http.Request, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.seen) == 0 {
		return nil, ""
	}
	return b.seen[len(b.seen)-1], b.got[len(b.got)-1]
}

// asked is how often the service was asked.
func (b *backend) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seen)
}
