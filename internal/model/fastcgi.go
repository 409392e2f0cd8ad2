package model

import (
	"fmt"
	"strings"
)

// FastCGI says what endpoints that are spoken to in FastCGI are told besides what a request says.
type FastCGI struct {
	// Index is what the name of the script has behind a path that ends in a slash: "index.php". Default: nothing.
	Index string `json:"index,omitempty"`
	// Params are parameters that are told besides those of CGI, or in place of them.
	Params []FastCGIParam `json:"params,omitempty"`
}

// FastCGIParam is one parameter. In its value {script} stands for the path of the request with Index behind it, {path} for the path alone, {query},
// {target} and {method} for these as they are sent, and {host} for the host without a port: "/srv/www{script}".
type FastCGIParam struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// FastCGIRequest is what parameters may have of a request.
type FastCGIRequest struct{ Script, Path, Query, Target, Method, Host string }

// mostFastCGIParams bounds how many parameters settings add.
const mostFastCGIParams = 100

func (r *FastCGIRequest) part(name string) (value string, ok bool) {
	switch name {
	case "script":
		return r.Script, true
	case "path":
		return r.Path, true
	case "query":
		return r.Query, true
	case "target":
		return r.Target, true
	case "method":
		return r.Method, true
	case "host":
		return r.Host, true
	}
	return "", false
}

// Of is the parameter's value for a request.
func (p *FastCGIParam) Of(r *FastCGIRequest) string {
	var out strings.Builder
	rest := p.Value
	for {
		text, after, ok := strings.Cut(rest, "{")
		out.WriteString(text)
		if !ok {
			return out.String()
		}
		name, behind, _ := strings.Cut(after, "}")
		value, _ := r.part(name) // Validate has refused others
		out.WriteString(value)
		rest = behind
	}
}

func (f *FastCGI) validate() error {
	if strings.ContainsAny(f.Index, "\x00\r\n") {
		return fieldError("fastcgi.index", "has a byte that no name of a file has")
	}
	if len(f.Params) > mostFastCGIParams {
		return fieldError("fastcgi.params", fmt.Sprintf("are %d: at most %d", len(f.Params), mostFastCGIParams))
	}
	for i, p := range f.Params {
		at := fmt.Sprintf("fastcgi.params[%d]", i)
		if p.Name == "" || strings.ContainsAny(p.Name, "\x00\r\n= ") {
			return fieldError(at+".name", fmt.Sprintf("%q is no name of a parameter", p.Name))
		}
		rest := p.Value
		for {
			_, after, ok := strings.Cut(rest, "{")
			if !ok {
				break
			}
			name, behind, closed := strings.Cut(after, "}")
			if _, known := (&FastCGIRequest{}).part(name); !closed || !known {
				return fieldError(at+".value", fmt.Sprintf("has {%s}: want one of {script}, {path}, {query}, {target}, {method}, {host}", name))
			}
			rest = behind
		}
	}
	return nil
}
