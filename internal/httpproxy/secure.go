package httpproxy

import (
	"fmt"
	"maps"

	"paifang/internal/certs"
	"paifang/internal/model"
)

// protocols are what ALPN offers to clients, the preferred first.
func protocols(l model.Listener) []string {
	if l.HTTP1Only {
		return []string{"http/1.1"}
	}
	return []string{"h2", "http/1.1"}
}

// bindTLS prepares the certificates and TLS policies of a class. Policies count on its listeners in clear text too.
func (c *change) bindTLS(class model.Class) error {
	if store := c.plane.stores[class]; store != nil && c.next.SameTLS(c.plane.current) {
		c.stores[class], c.failures[class] = store, c.plane.failures[class]
		return nil
	}
	var list []model.Certificate
	for cert := range c.next.Certificates(class) {
		list = append(list, cert)
	}
	var policies []model.TLSPolicy
	for p := range c.next.TLSPolicies(class) {
		policies = append(policies, p)
	}
	store := c.plane.stores[class]
	if store == nil {
		if len(policies) == 0 && !c.terminates(class) {
			return nil
		}
		var err error
		if store, err = certs.New(); err != nil {
			return fmt.Errorf("httpproxy: make certificate store of %s: %w", class, err)
		}
	}
	commit, failures := store.Prepare(list, policies)
	c.stores[class] = store
	c.commits = append(c.commits, commit)
	c.failures[class] = failures
	return nil
}

// terminates tells whether a listener of the class ends TLS.
func (c *change) terminates(class model.Class) bool {
	for l := range c.next.Listeners() {
		if l.Protocol == model.HTTPS && !l.Elsewhere && l.EffectiveClass() == class {
			return true
		}
	}
	return false
}

// terminator makes the handshakes of a listener; nil in clear text.
func (c *change) terminator(l model.Listener) *certs.Terminator {
	if l.Protocol != model.HTTPS {
		return nil
	}
	return c.stores[l.EffectiveClass()].Terminator(l.TLS, c.plane.cfg.Tickets, protocols(l))
}

// keepStaples has the OCSP responses kept of what listeners staple.
func (c *change) keepStaples() {
	classes := map[model.Class]bool{}
	for _, s := range c.servers {
		if s.listener.Protocol == model.HTTPS && s.listener.TLS.Staple {
			classes[s.listener.EffectiveClass()] = true
		}
	}
	p := c.plane
	if len(c.commits) > 0 || !maps.Equal(classes, p.staples) {
		var stores []*certs.Store
		for class := range classes {
			stores = append(stores, c.stores[class])
		}
		p.stapler.Keep(stores)
	}
	p.mu.Lock()
	p.staples = classes
	p.mu.Unlock()
}

// misdirected answers a request that may not be served on the connection it came by, and tells whether it was one. This comes
// before anything is decided about the request: the host of a request is the client's word, the connection is what it went
// through.
func (w *work) misdirected() bool {
	if w.c.session == nil {
		return false
	}
	code := w.c.session.Refuses(w.x.Request.Host)
	if code == "" && w.passedOn() {
		code = certs.CodeMisdirected
	}
	if code == "" {
		return false
	}
	w.refuseSecure(code)
	return true
}

// needsTLS answers a request that would be forwarded and came in clear text, for a host that wants client certificates. A
// redirect to TLS is no such request.
func (w *work) needsTLS() bool {
	if w.c.secure || w.site.certs == nil {
		return false
	}
	code := w.site.certs.RefusesClear(w.x.Request.Host)
	if code == "" {
		return false
	}
	w.refuseSecure(code)
	return true
}

func (w *work) refuseSecure(code model.Code) {
	status := 503 // rules that cannot be carried out
	switch code {
	case certs.CodeMisdirected:
		status = 421
	case certs.CodeClientCert:
		status = 400
	case certs.CodeTLSRequired:
		status = 403
	}
	w.keep = false // on another connection the client may do better
	w.own(status, code)
}
