package nacosapi

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"paifang/internal/registry/auth"
)

// foreignPage refuses a page in a browser that has a name of its own lead here (DNS rebinding): for the browser all that is one origin.
// Where clients log in, such a page has no token. Where nobody is asked who he is, its name is what gives it away. Programs may call
// this address by any name.
func foreignPage(r *http.Request) error {
	if !fromBrowser(r.Header) || ownName(r.Host) {
		return nil
	}
	return fmt.Errorf("nacosapi: without authentication, pages in a browser do not reach this registry by the name %.64q: %w", r.Host, auth.ErrForbidden)
}

// fromBrowser goes by fields that browsers send and that scripts cannot keep them from sending.
func fromBrowser(h http.Header) bool {
	return h.Get("Accept-Language") != "" || h.Get("Origin") != "" || h.Get("Sec-Fetch-Site") != ""
}

// ownName tells whether a Host is an address or localhost, which nobody else can have lead here.
func ownName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}
