package annotation_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The fields of a request that are none: they say how it is sent, and what is looked at when its answer is there.
const (
	certificateField = "Certificate: "
	proxyField       = "PROXY: "     // the connection begins with a PROXY protocol header of this client
	silenceField     = "Silence: "   // nothing is sent for so long, before that header
	headField        = "HeadStops: " // for so long, behind the request line
	bodyField        = "BodyStops: " // for so long, in the middle of the body
	idleField        = "Idle: "      // the field Left of the answer is then whether the server has ended the connection, so long after it
	againField       = "Again: "     // sent so often on one connection: the field Answers is how many answers there were
	resumeField      = "Resume: "    // and again after so long: the field Resumed is whether that resumed the session of TLS
	othersField      = "Others: "    // connections that are open beside it
	http2Field       = "HTTP2: "     // over HTTP/2, if the server speaks it, and so often at the same time: the field Connections is on how many
)

// how is what one of these fields says of a request; "" = it does not have it.
func (s *step) how(field string) string {
	for _, f := range s.fields {
		if text, ok := strings.CutPrefix(f, field); ok {
			return text
		}
	}
	return ""
}

// isSent tells whether a field is one of the request itself.
func isSent(f string) bool {
	return !slices.ContainsFunc([]string{certificateField, proxyField, silenceField, headField, bodyField, idleField, againField, resumeField, othersField, http2Field},
		func(how string) bool { return strings.HasPrefix(f, how) })
}

// pause waits for what a field says. What is shown is that the connection ends meanwhile, or does not.
func (s *step) pause(field string) error {
	text := s.how(field)
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	time.Sleep(d)
	return err
}

// early sends what comes before a request.
func (s *step) early(conn net.Conn) error {
	if err := s.pause(silenceField); err != nil {
		return err
	}
	client := s.how(proxyField)
	if client == "" {
		return nil
	}
	_, err := fmt.Fprintf(conn, "PROXY TCP4 %s 127.0.0.1 4000 80\r\n", client)
	return err
}

// others opens connections on which nothing is sent. The server takes them before the one that is opened after them.
func (s *step) others(ctx context.Context, at string) (end func(), err error) {
	var open []net.Conn
	end = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	n, _ := strconv.Atoi(s.how(othersField))
	for range n {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", at)
		if err != nil {
			return end, err
		}
		open = append(open, c)
	}
	return end, nil
}

// resumes asks twice, so long apart, and tells whether the second handshake resumed the session of the first.
func (s *step) resumes(c *testCase, addr func(scheme string) string, clients *tls.Config) (*answer, error) {
	once := *s
	once.fields = slices.DeleteFunc(slices.Clone(s.fields), func(f string) bool { return strings.HasPrefix(f, resumeField) })
	caching := clients.Clone()
	caching.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if _, err := send(c, &once, addr, caching, nil); err != nil {
		return nil, err
	}
	if err := s.pause(resumeField); err != nil {
		return nil, err
	}
	return send(c, &once, addr, caching, nil)
}

// write sends a request in the parts that its fields want.
func (s *step) write(conn net.Conn, text string) error {
	cut := 0
	for field, at := range map[string]int{headField: strings.Index(text, "\r\n") + 2, bodyField: len(text) - len(s.body)/2} {
		if s.how(field) == "" {
			continue
		}
		if _, err := io.WriteString(conn, text[:at]); err != nil {
			return err
		}
		if err := s.pause(field); err != nil {
			return err
		}
		cut = at
	}
	_, err := io.WriteString(conn, text[cut:])
	return err
}

// afterwards looks at the connection when the answer has been read, and says in fields of the answer what there is to see.
func (s *step) afterwards(conn net.Conn, in *bufio.Reader, text string, resp *http.Response) error {
	if d, err := time.ParseDuration(s.how(idleField)); err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(d))
		_, err := in.ReadByte()
		resp.Header.Set("Left", strconv.FormatBool(!errors.Is(err, os.ErrDeadlineExceeded)))
	}
	n, err := strconv.Atoi(s.how(againField))
	if err != nil {
		return nil
	}
	answers := 1
	for ; answers < n; answers++ {
		if _, err := io.WriteString(conn, text); err != nil {
			break
		}
		next, err := http.ReadResponse(in, &http.Request{Method: s.method})
		if err != nil {
			break
		}
		if _, err := io.Copy(io.Discard, next.Body); err != nil {
			return err
		}
	}
	resp.Header.Set("Answers", strconv.Itoa(answers))
	return nil
}

// overHTTP2 sends the request once, and then so often at the same time, with a client that speaks HTTP/2 where the server does.
func (s *step) overHTTP2(at string, clients *tls.Config) (*answer, error) {
	times, err := strconv.Atoi(s.how(http2Field))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var dialled atomic.Int64
	asked, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	cfg := clients.Clone()
	cfg.ServerName = asked.Hostname()
	cfg.Certificates, cfg.NextProtos, cfg.InsecureSkipVerify = nil, []string{"h2", "http/1.1"}, true
	transport := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		dialled.Add(1)
		d := tls.Dialer{Config: cfg}
		return d.DialContext(ctx, network, at)
	}}
	defer transport.CloseIdleConnections()
	ask := func() (*answer, error) {
		r, err := http.NewRequestWithContext(ctx, s.method, s.url, http.NoBody)
		if err != nil {
			return nil, err
		}
		for _, f := range s.fields {
			if name, value, ok := strings.Cut(f, ": "); ok && isSent(f) {
				r.Header.Set(name, value)
			}
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		resp.Header.Set("Spoken", resp.Proto)
		return &answer{resp.StatusCode, resp.Header, string(body)}, err
	}
	first, err := ask()
	if err != nil {
		return nil, err
	}
	failures := make(chan error, times)
	for range times {
		go func() {
			_, err := ask()
			failures <- err
		}()
	}
	for range times {
		err = errors.Join(err, <-failures)
	}
	if _, again := ask(); err == nil { // what it does after these
		err = again
	}
	first.header.Set("Connections", strconv.FormatInt(dialled.Load(), 10))
	return first, err
}

// lengthened is a line of a case with as many letters as each LONG2500 in it says.
func lengthened(line string) string {
	return regexp.MustCompile(`LONG\d+`).ReplaceAllStringFunc(line, func(word string) string {
		n, err := strconv.Atoi(strings.TrimPrefix(word, "LONG"))
		if err != nil {
			return word
		}
		return strings.Repeat("x", n)
	})
}
