package upstream

import (
	"paifang/internal/fastcgi"
	"paifang/internal/model"
)

// ErrLongBody says that a body is too long to be sent on without its length, which is no fault of the endpoint.
var ErrLongBody = fastcgi.ErrLongBody

// fastCGIOf is what responders are told; nil where FastCGI is not spoken.
func fastCGIOf(up *model.Upstream) *fastcgi.Settings {
	if up.Protocol != model.FCGI {
		return nil
	}
	s := &fastcgi.Settings{Index: up.FastCGI.Index}
	for i := range up.FastCGI.Params {
		p := &up.FastCGI.Params[i]
		s.Params = append(s.Params, fastcgi.Param{Name: p.Name, Value: func(r *fastcgi.Request) string { return p.Of((*model.FastCGIRequest)(r)) }})
	}
	return s
}
