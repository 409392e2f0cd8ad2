package builtin

import (
	"fmt"
	"strconv"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// Redirect configures "redirect": the request is answered with another address, whole in Location, or made of the request's
// own with some parts replaced.
type Redirect struct {
	Status int `json:"status,omitempty"` // 300 to 308 but 304; default 302
	// Location is the whole address: a URL, or a path that begins with one slash. It may hold {name} for variables of the
	// route's path pattern. With it none of the parts is given.
	Location string `json:"location,omitempty"`

	Scheme string `json:"scheme,omitempty"` // http or https; default: the request's. Another scheme drops its port
	Host   string `json:"host,omitempty"`   // a name, without port; default: the request's
	Port   int    `json:"port,omitempty"`   // default: the request's, or that of the scheme where scheme or host is another
	Path   string `json:"path,omitempty"`   // begins with a slash, may hold {name}; default: the request's
	// CutSlash takes one slash off the end of the address, behind its query where it has one, as ingress-nginx does on the way to https.
	CutSlash  bool `json:"cutSlash,omitempty"`
	DropQuery bool `json:"dropQuery,omitempty"` // default: the query is kept, unless Location is given
	// KeepQuery adds the query of the request to Location.
	KeepQuery bool `json:"keepQuery,omitempty"`

	ClearOnly bool   `json:"clearOnly,omitempty"` // only of requests that the client made in clear text, as far as a trusted proxy says otherwise
	PathOnly  string `json:"pathOnly,omitempty"`  // only of requests for exactly this path
}

// Validate refuses what is no redirect, and what leads to a host that nobody named.
func (c Redirect) Validate() error {
	if c.Status != 0 && (c.Status < 300 || c.Status > 308 || c.Status == 304) {
		return fmt.Errorf("status is %d: want 300 to 308, and not 304", c.Status)
	}
	if c.Location != "" {
		return c.validateLocation()
	}
	if c.KeepQuery {
		return fmt.Errorf("keepQuery belongs to location: the query is kept otherwise")
	}
	switch {
	case c.Scheme != "" && c.Scheme != "http" && c.Scheme != "https":
		return fmt.Errorf("scheme %q is neither http nor https", c.Scheme)
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("port %d: want 1 to 65535", c.Port)
	case c.Path != "" && !strings.HasPrefix(c.Path, "/"):
		return fmt.Errorf("path %q does not begin with /", c.Path)
	case !http1.IsFieldValue(c.Path):
		return fmt.Errorf("path has a control byte")
	case c.Scheme == "" && c.Host == "" && c.Port == 0 && c.Path == "":
		return fmt.Errorf("none of location, scheme, host, port and path is given: the request would come again")
	}
	if shape, _ := model.Host(c.Host).Split(); c.Host != "" && (shape != model.HostExact || model.Host(c.Host).Validate() != nil) {
		return fmt.Errorf("host %q is no name in lower case without port", c.Host)
	}
	_, err := filter.ParseTemplate(c.Path)
	return err
}

func (c Redirect) validateLocation() error {
	switch {
	case c.Scheme != "" || c.Host != "" || c.Port != 0 || c.Path != "" || c.CutSlash:
		return fmt.Errorf("location is the whole address: scheme, host, port, path and cutSlash are for addresses made of parts")
	case !http1.IsFieldValue(c.Location) || strings.ContainsAny(strings.ReplaceAll(c.Location, `\{`, "{"), " \\"):
		return fmt.Errorf("location %q has a byte that no address has", c.Location)
	case strings.HasPrefix(c.Location, "//"):
		return fmt.Errorf("location %q leads to another host: begin it with https:// or with one slash", c.Location)
	case !strings.HasPrefix(c.Location, "/") && !strings.HasPrefix(c.Location, "https://") && !strings.HasPrefix(c.Location, "http://"):
		return fmt.Errorf("location %q begins with none of /, http:// and https://", c.Location)
	}
	if c.KeepQuery && strings.Contains(c.Location, "#") {
		return fmt.Errorf("location %q ends in a fragment: with keepQuery there can be none", c.Location)
	}
	_, err := filter.ParseTemplate(c.Location)
	return err
}

func redirectKind() filter.Kind {
	return filter.Define("redirect", func(c Redirect, _ filter.Env) (filter.Filter, error) {
		if c.Status == 0 {
			c.Status = 302
		}
		location, err := filter.ParseTemplate(c.Location)
		if err != nil {
			return nil, err
		}
		path, err := filter.ParseTemplate(c.Path)
		return &redirect{c, location, path}, err
	})
}

type redirect struct {
	Redirect
	location, path filter.Template
}

func (f *redirect) Request(x *filter.Exchange) filter.Verdict {
	scheme := schemeOf(x)
	if f.ClearOnly && scheme == "https" || f.PathOnly != "" && x.Request.Path != f.PathOnly {
		return filter.Continue
	}
	mem := &x.Response.Mem
	x.Respond(f.Status, "", "")
	to := ""
	if f.Location != "" {
		to = f.location.Expand(x, mem)
		if f.KeepQuery && x.Request.RawQuery != "" {
			mark := "?"
			if strings.Contains(to, "?") {
				mark = "&"
			}
			to = mem.Join(to, mark, x.Request.RawQuery)
		}
	} else {
		to = mem.Join(f.origin(x, scheme), f.pathOf(x))
		if !f.DropQuery && x.Request.HasQuery {
			to = mem.Join(to, "?", x.Request.RawQuery)
		}
		if f.CutSlash {
			to = strings.TrimSuffix(to, "/")
		}
	}
	x.Response.Fields.Set("Location", to)
	filter.KeepLocation(&x.Response)
	return filter.Respond
}

// origin is scheme, host and port; nothing for a client that has not said whom it asks.
func (f *redirect) origin(x *filter.Exchange, own string) string {
	scheme, host, port := own, x.Request.Authority, f.Port
	if f.Scheme != "" {
		scheme = f.Scheme
	}
	if scheme != own || f.Host != "" || port != 0 {
		host = x.Request.Host
	}
	if f.Host != "" {
		host = f.Host
	}
	if host == "" {
		return ""
	}
	mem := &x.Response.Mem
	if port == 0 || port == 80 && scheme == "http" || port == 443 && scheme == "https" {
		return mem.Join(scheme, "://", host)
	}
	return mem.Join(scheme, "://", host, ":", strconv.Itoa(port))
}

func (f *redirect) pathOf(x *filter.Exchange) string {
	if f.Path != "" {
		return f.path.Expand(x, &x.Response.Mem)
	}
	return x.Request.Path
}

// schemeOf is the scheme that the client uses, as far as it is known: the engine has written down what a trusted proxy in
// front says.
func schemeOf(x *filter.Exchange) string {
	switch proto := x.Request.Fields.Get("X-Forwarded-Proto"); {
	case proto == "https" || proto == "" && x.Secure:
		return "https"
	}
	return "http"
}
