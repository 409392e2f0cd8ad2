package annotation

import (
	"strings"

	"paifang/internal/model"
)

// Backend is how endpoints are chosen and spoken to.
type Backend struct {
	Protocol        Protocol
	FastCGI         FastCGI           // where that is ProtocolFCGI
	ServiceUpstream bool              // the Service's own address in place of its endpoints
	Balance         model.BalanceKind // where HashBy is empty
	HashBy          []model.HashPart  // consistent hash
	Host            string            // sent in place of the client's; may hold names of hostNames after a $
}

// Protocol is what endpoints are spoken to in; "" is what the Service says.
type Protocol string

// The protocols.
const (
	ProtocolHTTP  Protocol = "HTTP"
	ProtocolHTTPS Protocol = "HTTPS"
	ProtocolGRPC  Protocol = "GRPC"
	ProtocolGRPCS Protocol = "GRPCS"
	ProtocolFCGI  Protocol = "FCGI"
	ProtocolAuto  Protocol = "AUTO_HTTP" // HTTP, or HTTPS where the request came over TLS
)

func backendFamily() family {
	return family{name: "Backends and balancing", settle: settleBackend, rows: []Annotation{
		{Name: "backend-protocol", Scope: OwnPaths, Verdict: Supported, read: readProtocol},
		{Name: "service-upstream", Scope: WholeIngress, Verdict: Supported, read: func(v *value) { v.boolean(&v.s.Backend.ServiceUpstream) }},
		{Name: "default-backend", Scope: OwnPaths, Verdict: Supported, read: readDefaultBackend},
		{Name: "load-balance", Scope: OwnPaths, Verdict: Supported, read: readBalance},
		{Name: "upstream-hash-by", Scope: OwnPaths, Verdict: Differs, Note: "of nginx' variables it knows request_uri, uri, host, http_host, remote_addr, binary_remote_addr, and those that begin with http_, cookie_ and arg_", read: readHashBy},
		{Name: "upstream-hash-by-subset", Scope: OwnPaths, Verdict: Ignored, Note: "requests are hashed to one endpoint, not to a subset of them"},
		{Name: "upstream-hash-by-subset-size", Scope: OwnPaths, Verdict: Ignored, Note: "requests are hashed to one endpoint, not to a subset of them"},
		{Name: "upstream-vhost", Scope: OwnPaths, Verdict: Differs, Note: "of nginx' variables it knows host, http_host, namespace, ingress_name, service_name and service_port", read: readVhost},
	}}
}

func readProtocol(v *value) {
	switch p := strings.ToUpper(v.text); p {
	case "HTTP", "HTTPS", "GRPC", "GRPCS", "AUTO_HTTP", "FCGI":
		v.s.Backend.Protocol = Protocol(p)
		v.same()
	default:
		v.invalid("%q is none of HTTP, HTTPS, GRPC, GRPCS, AUTO_HTTP, FCGI: HTTP is spoken", v.text)
	}
}

func readBalance(v *value) {
	switch v.text {
	case "round_robin":
		v.s.Backend.Balance = model.RoundRobin
	case "ewma":
		v.s.Backend.Balance = model.PeakEWMA
	default:
		v.s.Backend.Balance = model.RoundRobin
		v.ignored("%q is neither round_robin nor ewma: round_robin counts", v.text)
	}
}

// readHashBy reads text with variables of nginx.
func readHashBy(v *value) {
	if !v.line(new(string)) {
		return
	}
	var parts []model.HashPart
	for rest := v.text; rest != ""; {
		text, after, found := strings.Cut(rest, "$")
		if text != "" {
			parts = append(parts, model.HashPart{From: model.HashText, Text: text})
		}
		if !found {
			break
		}
		name, tail := variable(after)
		part, ok := hashPart(name)
		if !ok {
			v.invalid("$%s is no variable that can be hashed (those that can: request_uri, uri, host, remote_addr, http_…, cookie_…, arg_…): requests take turns", name)
			return
		}
		parts = append(parts, part)
		rest = tail
	}
	v.s.Backend.HashBy = parts
	v.same()
}

// variable cuts the name of a variable of nginx off a text, "name" or "{name}".
func variable(text string) (name, rest string) {
	if after, ok := strings.CutPrefix(text, "{"); ok {
		name, rest, _ = strings.Cut(after, "}")
		return name, rest
	}
	i := 0
	for i < len(text) && (text[i] == '_' || text[i] >= '0' && text[i] <= '9' || text[i] >= 'a' && text[i] <= 'z' || text[i] >= 'A' && text[i] <= 'Z') {
		i++
	}
	return text[:i], text[i:]
}

func hashPart(name string) (model.HashPart, bool) {
	switch name {
	case "request_uri":
		return model.HashPart{From: model.HashURI}, true
	case "uri":
		return model.HashPart{From: model.HashPath}, true
	case "host", "http_host":
		return model.HashPart{From: model.HashHost}, true
	case "remote_addr", "binary_remote_addr":
		return model.HashPart{From: model.HashClient}, true
	}
	for prefix, from := range map[string]model.HashSource{"http_": model.HashHeader, "cookie_": model.HashCookie, "arg_": model.HashQuery} {
		if n, ok := strings.CutPrefix(name, prefix); ok && n != "" {
			if from == model.HashHeader {
				n = strings.ReplaceAll(n, "_", "-")
			}
			return model.HashPart{From: from, Name: n}, true
		}
	}
	return model.HashPart{}, false
}

// HostNames are the variables that a Host may be made of besides text; all are known before a request.
func HostNames() []string {
	return []string{"$namespace", "$ingress_name", "$service_name", "$service_port"}
}

func readVhost(v *value) {
	if v.text == "$host" || v.text == "$http_host" {
		v.same()
		return // what is sent anyway
	}
	text := v.text
	for _, n := range HostNames() {
		text = strings.ReplaceAll(text, n, "x")
	}
	host, port, _ := strings.Cut(text, ":")
	if strings.Contains(text, "$") || model.Host(strings.ToLower(host)).Validate() != nil || host == "" || strings.Trim(port, "0123456789") != "" {
		v.invalid("%q is no host, with $namespace, $ingress_name, $service_name and $service_port: the client's is sent", v.text)
		return
	}
	v.s.Backend.Host = v.text
	v.same()
}

func settleBackend(r *reading) {
	if r.Backend.HashBy != nil && r.Affinity.Cookie {
		r.say("upstream-hash-by", Ignored, "affinity is asked for, and goes before it")
		r.Backend.HashBy = nil
	}
	if !r.Backend.ServiceUpstream {
		return
	}
	for _, name := range []string{"affinity", "load-balance", "upstream-hash-by"} {
		r.say(name, Ignored, "service-upstream leaves one address to choose from")
	}
	r.Affinity.Cookie, r.Backend.HashBy = false, nil
}
