// Package probe asks persistent instances whether they are well: nobody else vouches for them. It knows addresses and no
// services.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"
	"time"
)

// Kind is how an instance is asked.
type Kind string

// Kinds, as Nacos names them.
const (
	TCP  Kind = "TCP"  // a connection can be made
	HTTP Kind = "HTTP" // a GET is answered with the code that is wanted
	None Kind = "NONE" // it is not asked, and stays as it was registered
)

// Check is how the instances of one cluster are asked. The zero value is TCP on their own port.
type Check struct {
	Kind    Kind              `json:"kind,omitempty"`
	Port    uint16            `json:"port,omitempty"`    // 0: the instance's
	Path    string            `json:"path,omitempty"`    // HTTP: default /
	Headers map[string]string `json:"headers,omitempty"` // HTTP; Host among them
	Code    int               `json:"code,omitempty"`    // HTTP: the status that is well; 0: 200 to 399
}

// ErrInvalid is wrapped by the errors of Validate.
var ErrInvalid = errors.New("invalid")

// Validate tells what is wrong with a check.
func (c Check) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("probe: %s: %w", fmt.Sprintf(format, args...), ErrInvalid)
	}
	switch c.Kind {
	case "", TCP, HTTP, None:
	default:
		return bad("kind %.32q: want TCP, HTTP or NONE", c.Kind)
	}
	if c.Path != "" && c.Path[0] != '/' || len(c.Path) > 1024 || strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return bad("path %.64q: want /…, printable ASCII, 1024 bytes at most", c.Path)
	}
	if c.Code != 0 && (c.Code < 100 || c.Code > 599) {
		return bad("code %d: want 100 to 599", c.Code)
	}
	if len(c.Headers) > 20 {
		return bad("%d headers, at most 20 are allowed", len(c.Headers))
	}
	for k, v := range c.Headers {
		if k == "" || len(k)+len(v) > 1024 || strings.ContainsFunc(k, notToken) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return bad("header %.64q", k)
		}
	}
	return nil
}

// notToken tells what a header's name may not contain (RFC 9110, 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// Same tells whether two checks ask the same.
func (c Check) Same(as Check) bool {
	return c.Kind == as.Kind && c.Port == as.Port && c.Path == as.Path && c.Code == as.Code && maps.Equal(c.Headers, as.Headers)
}

// Target is where an instance is asked.
func (c Check) Target(a netip.AddrPort) netip.AddrPort {
	if c.Port != 0 {
		return netip.AddrPortFrom(a.Addr(), c.Port)
	}
	return a
}

const userAgent = "paifang-registry"

// Do asks once. The error says why the instance is not well.
func (c Check) Do(ctx context.Context, a netip.AddrPort) error {
	at := c.Target(a).String()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at)
	if err != nil || c.Kind != HTTP {
		if err == nil {
			// Without waiting for the other side: there may be thousands of these in a minute.
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
		return err
	}
	defer conn.Close()
	t := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }, DisableKeepAlives: true}
	path := c.Path
	if path == "" {
		path = "/"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", userAgent)
	for k, v := range c.Headers {
		if textproto.CanonicalMIMEHeaderKey(k) == "Host" {
			r.Host = v
		} else {
			r.Header.Set(k, v)
		}
	}
	answer, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
	if c.Code != 0 && answer.StatusCode != c.Code || c.Code == 0 && (answer.StatusCode < 200 || answer.StatusCode > 399) {
		return fmt.Errorf("probe: the answer is %d", answer.StatusCode)
	}
	return nil
}

// Timeout bounds one question.
const Timeout = time.Second
