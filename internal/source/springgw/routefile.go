package springgw

import (
	"bytes"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/watch"
)

// routeFile is a file with what was last read from it.
type routeFile struct {
	path   string
	config gatewayConfig
	ours   bool    // it holds, or held, something of the gateway
	broken []fault // why it, or a part of it, cannot be read
}

func newRouteFile(path string) *routeFile { return &routeFile{path: path} }

// take reads the file anew and tells whether there is anything of ours in it. Of a file, or document in it, that cannot be
// read, what was read before stays. Before the file has settled nothing is taken away and nothing is complained of: it may
// be half written.
func (r *routeFile) take(f watch.File) bool {
	if f.Gone {
		*r = routeFile{path: r.path}
		return false
	}
	if f.Err != nil {
		if r.ours {
			r.broken = []fault{{code: model.CodeUnreadable, severity: model.Error, message: "cannot be read, what was read before stays: " + f.Err.Error()}}
		}
		return r.ours
	}
	docs, problems := document.Split(f.Path, f.Data)
	if len(problems) > 0 && !f.Settled {
		return r.ours
	}
	var next gatewayConfig
	found := false
	for _, d := range docs {
		if c := readDocument(d, len(next.routes)); c != nil {
			found = true
			next.append(c)
		}
	}
	wasOurs := r.ours
	r.ours = found || wasOurs && (len(problems) > 0 || !f.Settled)
	r.broken = nil
	if wasOurs || found || bytes.Contains(f.Data, []byte("gateway")) && bytes.Contains(f.Data, []byte("spring")) {
		for _, p := range problems {
			message := p.Message
			if wasOurs {
				message += "; what was read of it before stays"
			}
			r.broken = append(r.broken, fault{p.Line, p.Field, model.CodeUnreadable, model.Error, message})
		}
	}
	if len(problems) > 0 || !f.Settled {
		next.keep(&r.config)
	}
	r.config = next
	return r.ours || len(r.broken) > 0
}

// append adds what a later document says. Lists grow, so that several documents may each bring their routes.
func (c *gatewayConfig) append(d *gatewayConfig) {
	c.routes = append(c.routes, d.routes...)
	c.defaults = append(c.defaults, d.defaults...)
	c.faults = append(c.faults, d.faults...)
	if d.locator != nil {
		c.locator = d.locator
	}
	c.insecure = c.insecure || d.insecure
	if d.timeouts.Connect != 0 {
		c.timeouts.Connect = d.timeouts.Connect
	}
	if d.timeouts.Response != 0 {
		c.timeouts.Response = d.timeouts.Response
	}
}

// keep adds what old has and c does not.
func (c *gatewayConfig) keep(old *gatewayConfig) {
	have := map[string]bool{}
	for i := range c.routes {
		have[c.routes[i].name("")] = true
	}
	for i := range old.routes {
		if name := old.routes[i].name(""); !have[name] {
			c.routes = append(c.routes, old.routes[i])
		}
	}
	if len(c.defaults) < len(old.defaults) {
		c.defaults = old.defaults
	}
	if c.locator == nil {
		c.locator = old.locator
	}
	c.insecure = c.insecure || old.insecure
	if c.timeouts == (model.Timeouts{}) {
		c.timeouts = old.timeouts
	}
}
