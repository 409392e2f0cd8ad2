package cli

import (
	"fmt"

	"paifang/internal/adminapi"
	"paifang/internal/model"
)

// secured is how TLS to an upstream is said. Where it depends on each address, nginx has no word for it.
func secured(t adminapi.UpstreamTLS) (scheme string, lines []string) {
	switch t.Mode {
	case model.TLSAlways:
		scheme = "https://"
	case model.TLSAsAsked:
		scheme = "$scheme://"
	default:
		return "http://", nil
	}
	if t.Name != "" {
		lines = append(lines, directive("proxy_ssl_name", fixedText(t.Name)))
	}
	sent := "proxy_ssl_server_name on;"
	if t.HideName {
		sent = "proxy_ssl_server_name off;"
	}
	lines = append(lines, sent)
	if t.Client {
		lines = append(lines, "# proxy_ssl_certificate: one is shown, its key is not shown here")
	}
	verify := "proxy_ssl_verify on;  # against the roots of the process"
	switch {
	case t.SkipVerify:
		verify = "proxy_ssl_verify off;"
	case t.OwnCA:
		verify = "proxy_ssl_verify on;  # against CAs of its own"
	}
	return scheme, append(lines, verify)
}

// clientAuth is what a listener asks of the clients of a host, or that it asks nothing because TLS of the host is not ended there,
// as the end of a note; empty: nothing.
func clientAuth(l adminapi.Listener, host model.Host) string {
	if l.TLS == nil {
		return ""
	}
	for _, p := range l.Passed {
		if p.ServerName == host {
			return fmt.Sprintf("; it is not ended here: stream with ssl_preread leads it to %s as it comes", p.Upstream)
		}
	}
	for _, p := range l.TLS.Policies {
		for _, h := range p.Hosts {
			switch {
			case h != host:
			case p.Reject != "":
				return fmt.Sprintf("; requests are refused: %s", p.Reject)
			case p.ClientAuth != model.ClientNone:
				way := map[model.ClientAuth]string{model.ClientRequired: "on", model.ClientOptional: "optional", model.ClientUnverified: "optional_no_ca"}[p.ClientAuth]
				return fmt.Sprintf("; ssl_verify_client %s", way)
			}
		}
	}
	return ""
}
