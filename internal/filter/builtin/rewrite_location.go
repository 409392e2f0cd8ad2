package builtin

import (
	"cmp"
	"fmt"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// RewriteLocation configures "rewrite-location": host and port of an address in a header of the upstream's answer become
// those that the client asked for, so that it is not sent past the gateway.
type RewriteLocation struct {
	Header string `json:"header,omitempty"` // default Location
	Host   string `json:"host,omitempty"`   // host, or host:port; default: those of the request
	// Version says whether a first segment of the path like /v2 is taken out: as-in-request (the default) takes it out if the
	// request's path begins with none, always, never.
	Version string   `json:"version,omitempty"`
	Schemes []string `json:"schemes,omitempty"` // of addresses that are rewritten; default http, https, ftp, ftps
}

// The values of RewriteLocation.Version.
const (
	versionAsInRequest = "as-in-request"
	versionAlways      = "always"
	versionNever       = "never"
)

// Validate refuses names and hosts that cannot be.
func (c RewriteLocation) Validate() error {
	if c.Header != "" {
		if err := validateName(c.Header); err != nil {
			return err
		}
	}
	var mem http1.Arena
	if _, ok := http1.NormalAuthority(c.Host, &mem); c.Host != "" && !ok {
		return fmt.Errorf("host %q is no host with or without port", c.Host)
	}
	switch c.Version {
	case "", versionAsInRequest, versionAlways, versionNever:
	default:
		return fmt.Errorf("version %q is none of as-in-request, always, never", c.Version)
	}
	for i, s := range c.Schemes {
		if !http1.IsToken(s) {
			return fmt.Errorf("schemes[%d]: %q is no scheme", i, s)
		}
	}
	return nil
}

func rewriteLocationKind() filter.Kind {
	return filter.Define("rewrite-location", func(c RewriteLocation, _ filter.Env) (filter.Filter, error) {
		if c.Header == "" {
			c.Header = "Location"
		}
		if len(c.Schemes) == 0 {
			c.Schemes = []string{"http", "https", "ftp", "ftps"}
		}
		return &rewriteLocation{c}, nil
	})
}

type rewriteLocation struct{ RewriteLocation }

var _ filter.ResponseFilter = (*rewriteLocation)(nil)

func (*rewriteLocation) Request(*filter.Exchange) filter.Verdict { return filter.Continue }

func (f *rewriteLocation) Response(x *filter.Exchange) {
	value := x.Response.Fields.Get(f.Header)
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok || !f.rewrites(scheme) {
		return
	}
	host := f.Host
	if host == "" { // Authority is the upstream's by now; this is what the client asked for, of a trusted proxy too
		host = cmp.Or(x.Request.Fields.Get("X-Forwarded-Host"), x.Request.Fields.Get("Host")) // a filter may have removed the first
	}
	if host == "" {
		return // HTTP/1.0 without Host
	}
	path := ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		path = rest[i:]
	}
	if f.Version == versionAlways || f.Version != versionNever && versionOf(x.Request.RawPath) == 0 {
		path = path[versionOf(path):]
	}
	x.Response.Fields.Set(f.Header, x.Response.Mem.Join(scheme, "://", host, path))
}

func (f *rewriteLocation) rewrites(scheme string) bool {
	for _, s := range f.Schemes {
		if http1.EqualFold(s, scheme) {
			return true
		}
	}
	return false
}

// versionOf is the length of a first segment "/v" with a number, 0 if there is none.
func versionOf(path string) int {
	if len(path) < 3 || path[0] != '/' || path[1] != 'v' {
		return 0
	}
	i := 2
	for i < len(path) && path[i] >= '0' && path[i] <= '9' {
		i++
	}
	if i == 2 || i < len(path) && path[i] != '/' && path[i] != '?' && path[i] != '#' {
		return 0
	}
	return i
}
