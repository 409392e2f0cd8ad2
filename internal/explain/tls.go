package explain

import (
	"fmt"
	"strings"

	"paifang/internal/certs"
	"paifang/internal/model"
)

// serverName is what the client sends in a handshake: nothing for an address.
func (x *walker) serverName() string {
	if _, isAddress := x.a.address(); isAddress {
		return ""
	}
	return x.a.target
}

// passed is the route by which a listener passes TLS for the name of this request on without ending it.
func (x *walker) passed(l model.Listener) (*model.L4Route, bool) {
	if name := x.serverName(); name != "" && l.Protocol == model.HTTPS {
		return x.w.Snapshot.Passed(l.EffectiveClass()).Match(name)
	}
	return nil, false
}

// passOn is where what is passed on goes. Nothing of the request is seen, so nothing else is decided.
func (x *walker) passOn() bool {
	if x.target == "" {
		return true
	}
	if _, known := x.w.Snapshot.Upstream(x.target); !known {
		return x.end("upstream", fmt.Sprintf("there is no upstream %s", x.target), "", "no answer: the connection is reset")
	}
	if x.balance() {
		x.ending = "what is there ends TLS with a certificate of its own, and answers"
	} else if x.r.Status != 0 {
		x.r.Status, x.r.Code, x.ending = 0, "", "no answer: the connection is reset"
	}
	return false
}

// store is what serves the handshakes of a listener, as far as the names of this request go.
func (x *walker) store(l model.Listener) (s *certs.Store, failures []certs.Failure, err error) {
	fits := func(hosts []model.Host) bool {
		for _, h := range hosts {
			if h.Matches(x.serverName()) || h.Matches(x.a.http.Host) {
				return true
			}
		}
		return false
	}
	var list []model.Certificate
	for c := range x.w.Snapshot.Certificates(l.EffectiveClass()) {
		if fits(c.Hosts) {
			list = append(list, c)
		}
	}
	var policies []model.TLSPolicy
	for p := range x.w.Snapshot.TLSPolicies(l.EffectiveClass()) {
		if fits(p.Hosts) {
			policies = append(policies, p)
		}
	}
	if s, err = certs.New(); err != nil {
		return nil, nil, err
	}
	commit, failures := s.Prepare(list, policies)
	commit()
	return s, failures, nil
}

// certificate says which certificate a listener shows for the name in the handshake, and what it asks for, found by the store
// that serves.
func (x *walker) certificate(l model.Listener) string {
	store, failures, err := x.store(l)
	if err != nil {
		return "a certificate that cannot be told: " + err.Error()
	}
	asks := ""
	switch store.Dry(x.serverName()).Asks() {
	case model.ClientNone:
	case model.ClientRequired:
		asks = ", a certificate of the client is required"
	default:
		asks = ", a certificate of the client is asked for"
	}
	if x.serverName() == "" {
		return "the default certificate (a client sends no server name for an address)" + asks
	}
	if id, ok := store.For(x.serverName()); ok {
		for c := range x.w.Snapshot.Certificates(l.EffectiveClass()) {
			if c.ID == id {
				return fmt.Sprintf("certificate %s%s", id, in(x.w.at(c.Origin))) + asks
			}
		}
	}
	why := "none is given for " + x.a.target
	if d, ok := x.secretTrouble(l); ok {
		why = fmt.Sprintf("%s: %s%s", d.Code, d.Message, in(x.w.at(d.Origin)))
	}
	if len(failures) > 0 {
		why = fmt.Sprintf("%s cannot be served: %v", failures[0].ID, failures[0].Err)
	}
	return fmt.Sprintf("the default certificate (%s)", why) + asks
}

// admitted tells whether the request may be made on its connection. Nothing else is decided before.
func (x *walker) admitted() bool {
	l := *x.serving
	if l.Protocol != model.HTTPS {
		return true
	}
	store, _, err := x.store(l)
	if err != nil {
		return true // it was said
	}
	host := x.a.http.Host
	switch code := store.Dry(x.serverName()).Refuses(host); code {
	case "":
		return true
	case certs.CodeMisdirected:
		named := "no server name"
		if x.serverName() != "" {
			named = x.serverName()
		}
		return x.endStatus("route", fmt.Sprintf("host %s has other TLS rules, or another certificate, than the connection, which was made for %s", host, named), "", 421, string(code))
	default:
		return x.refusedByPolicy(l, host, code)
	}
}

// admittedClear tells whether a request in clear text is forwarded.
func (x *walker) admittedClear() bool {
	l := *x.serving
	if l.Protocol != model.HTTP {
		return true
	}
	store, _, err := x.store(l)
	if err != nil {
		return true
	}
	host := x.a.http.Host
	switch code := store.RefusesClear(host); code {
	case "":
		return true
	case certs.CodeTLSRequired:
		return x.endStatus("route", fmt.Sprintf("host %s wants certificates of clients, which there are none of in clear text", host), "", 403, string(code))
	default:
		return x.refusedByPolicy(l, host, code)
	}
}

// refusedByPolicy is a host whose TLS policy cannot be carried out.
func (x *walker) refusedByPolicy(l model.Listener, host string, code model.Code) bool {
	source := ""
	for p := range x.w.Snapshot.TLSPolicies(l.EffectiveClass()) {
		for _, h := range p.Hosts {
			if p.Reject != "" && h.Matches(host) {
				source = x.w.at(p.Origin)
			}
		}
	}
	return x.endStatus("route", fmt.Sprintf("the TLS policy of host %s cannot be carried out: its requests are refused", host)+in(source), source, 503, string(code))
}

// secretTrouble is what was said about the TLS secret of an object whose routes serve the host.
func (x *walker) secretTrouble(l model.Listener) (model.Diagnostic, bool) {
	objects := map[string]bool{}
	for _, t := range x.w.Snapshot.Tables(l.EffectiveClass()) {
		if t.Host == "" || !t.Host.Matches(x.a.target) {
			continue
		}
		for _, r := range t.Routes() {
			objects[r.Origin.Object()] = true
		}
	}
	for _, d := range x.w.Snapshot.Diagnostics() {
		if (d.Code == model.CodeSecretMissing || d.Code == model.CodeSecretInvalid) && objects[d.Origin.Object()] && !strings.HasPrefix(d.Field, "filters[") {
			return d, true
		}
	}
	return model.Diagnostic{}, false
}
