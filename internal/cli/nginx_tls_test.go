package cli

import (
	"slices"
	"testing"

	"paifang/internal/adminapi"
	"paifang/internal/model"
)

// TestServerNameOfAnUpstream: whether endpoints are sent a server name is said as it is.
func TestServerNameOfAnUpstream(t *testing.T) {
	for hidden, want := range map[bool]string{false: "proxy_ssl_server_name on;", true: "proxy_ssl_server_name off;"} {
		if _, lines := secured(adminapi.UpstreamTLS{Mode: model.TLSAlways, HideName: hidden}); !slices.Contains(lines, want) {
			t.Errorf("hidden %v: %q", hidden, lines)
		}
	}
}

// TestSchemeOfAnUpstream: TLS as the request came is $scheme for nginx.
func TestSchemeOfAnUpstream(t *testing.T) {
	for mode, want := range map[model.UpstreamTLSMode]string{model.TLSNever: "http://", model.TLSAlways: "https://", model.TLSAsAsked: "$scheme://"} {
		if got, _ := secured(adminapi.UpstreamTLS{Mode: mode}); got != want {
			t.Errorf("%s: %q", mode, got)
		}
	}
}

// TestPassedOnInTheNginxForm: a host whose TLS is passed on is not shown as if it were ended here.
func TestPassedOnInTheNginxForm(t *testing.T) {
	l := adminapi.Listener{TLS: &adminapi.ListenerTLS{}, Passed: []adminapi.Passed{{ServerName: "pay.test", Upstream: "pay"}}}
	if got := clientAuth(l, "pay.test"); got != "; it is not ended here: stream with ssl_preread leads it to pay as it comes" {
		t.Errorf("%q", got)
	}
	if got := clientAuth(l, "other.test"); got != "" {
		t.Errorf("%q", got)
	}
}
