package annotation_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a *answer) pod() string { return a.header.Get("Pod") }

// service is the one that answered, "-" for an answer of the gateway's own.
func (a *answer) service() string {
	if i := strings.LastIndexByte(a.pod(), '-'); i > 0 {
		return a.pod()[:i]
	}
	return "-"
}

// counted is what a step of many requests counts an answer as: its service, or the status of an answer of the gateway's own.
func (a *answer) counted() string {
	if by := a.service(); by != "-" {
		return by
	}
	return strconv.Itoa(a.status)
}

// expiresIn compares Expires of the cookie that was set with so many seconds from now.
func (a *answer) expiresIn(seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	for _, v := range a.header.Values("Set-Cookie") {
		k, err := http.ParseSetCookie(v)
		if err != nil {
			return err
		}
		if off := time.Until(k.Expires) - time.Duration(n)*time.Second; off > -5*time.Second && off < 5*time.Second {
			return nil
		}
	}
	return fmt.Errorf("no cookie ends in %d seconds: %q", n, a.header.Values("Set-Cookie"))
}

// send sends one request on a connection of its own, as it is written, and keeps the cookies of its answer.
func send(c *testCase, s *step, addr func(scheme string) string, clients *tls.Config, jar map[string]string) (*answer, error) {
	s, err := answered(c, s, addr, clients)
	if err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(s.url, "://")
	host, path, _ := strings.Cut(rest, "/")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dialer := net.Dialer{}
	if s.from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(s.from)}
	}
	at := addr(scheme)
	if s.how(resumeField) != "" {
		return s.resumes(c, addr, clients)
	}
	if s.how(http2Field) != "" {
		return s.overHTTP2(at, clients)
	}
	if _, port, _ := strings.Cut(host, ":"); scheme == "tcp" {
		at = net.JoinHostPort(at, port)
	}
	end, err := s.others(ctx, at)
	defer end()
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	most := 10 * time.Second
	if s.within > 0 {
		most = time.Duration(s.within+2) * time.Second
	}
	_ = conn.SetDeadline(time.Now().Add(most))
	if err := s.early(conn); err != nil {
		return nil, err
	}
	if scheme == "https" {
		cfg := clients.Clone()
		cfg.ServerName, _, _ = strings.Cut(host, ":")
		shown := cfg.Certificates
		cfg.Certificates = nil
		if len(s.fields) > 0 && strings.HasPrefix(s.fields[0], certificateField) { // also one that the server did not ask for
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &shown[shownCertificates()[strings.TrimPrefix(s.fields[0], certificateField)]], nil
			}
		}
		cfg.InsecureSkipVerify = true // what is shown where no certificate is meant is not the matter here
		conn = tls.Client(conn, cfg)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s /%s HTTP/1.1\r\nHost: %s\r\n", s.method, path, host)
	if !slices.ContainsFunc(s.fields, func(f string) bool { return strings.HasPrefix(f, "Connection: ") }) {
		b.WriteString("Connection: close\r\n")
	}
	for _, f := range s.fields {
		if isSent(f) {
			b.WriteString(f + "\r\n")
		}
	}
	if len(jar) > 0 {
		var pairs []string
		for k, v := range jar {
			pairs = append(pairs, k+"="+v)
		}
		b.WriteString("Cookie: " + strings.Join(pairs, "; ") + "\r\n")
	}
	if s.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.body))
	}
	b.WriteString("\r\n" + s.body)
	sent := make(chan error, 1)
	if s.body == "" {
		if err := s.write(conn, b.String()); err != nil {
			return nil, err
		}
	} else {
		go func() { // the answer may come before all of it is taken
			sent <- s.write(conn, b.String())
		}()
		defer func() {
			_ = conn.Close()
			<-sent
		}()
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: s.method})
	if err != nil && scheme == "tcp" {
		return &answer{}, nil // it was cut
	}
	if err != nil {
		return nil, err
	}
	if over, ok := conn.(*tls.Conn); ok {
		resp.Header.Set("Shown", over.ConnectionState().PeerCertificates[0].DNSNames[0])
		resp.Header.Set("Cipher", tls.CipherSuiteName(over.ConnectionState().CipherSuite))
		resp.Header.Set("Resumed", strconv.FormatBool(over.ConnectionState().DidResume))
		resp.Header.Set("Spoken", tls.VersionName(over.ConnectionState().Version))
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if _, err := io.Copy(io.Discard, in); err != nil {
			return nil, fmt.Errorf("upgraded: %w", err)
		}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%d: %w", resp.StatusCode, err)
	}
	if err := s.afterwards(conn, in, b.String(), resp); err != nil {
		return nil, err
	}
	if containsOption(c, "jar") {
		for _, k := range resp.Cookies() {
			jar[k.Name] = k.Value
		}
	}
	return &answer{resp.StatusCode, resp.Header, string(body)}, nil
}
