package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"paifang/internal/nacosconn"
	"paifang/internal/registry"
	"paifang/internal/source/nacos"
	nacosclient "paifang/nacos"
)

// servers are the addresses of the HTTP APIs.
func (n Nacos) servers() []string { return addresses(n.Address) }

// grpcServers are those of the gRPC APIs, one for each of servers.
func (n Nacos) grpcServers() ([]string, error) {
	if n.GRPC != "" {
		return addresses(n.GRPC), nil
	}
	var out []string
	for _, http := range n.servers() {
		grpc, err := nacos.GRPCAddress(http)
		if err != nil {
			return nil, err
		}
		out = append(out, grpc)
	}
	return out, nil
}

// addresses are what commas separate.
func addresses(text string) []string {
	var out []string
	for s := range strings.SplitSeq(text, ",") {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// login is who logs in; nil: nobody does.
func (n Nacos) login() (*nacosconn.Login, error) {
	if n.Username == "" {
		return nil, nil //nolint:nilnil // nobody is no error
	}
	b, err := os.ReadFile(n.Password)
	if err != nil {
		return nil, err
	}
	return &nacosconn.Login{Servers: n.servers(), Username: n.Username, Password: strings.TrimRight(string(b), "\r\n")}, nil
}

// secure is TLS towards the servers; nil: clear text.
func (n Nacos) secure() (*tls.Config, error) {
	if !n.TLS {
		return nil, nil //nolint:nilnil // clear text is no error
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if n.CA != "" {
		b, err := os.ReadFile(n.CA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s: there is no certificate in it", n.CA)
		}
	}
	return c, nil
}

// registrar keeps a service of the gateway registered there.
func (n Nacos) registrar(service string, addr netip.AddrPort, log *slog.Logger) (registrar, error) {
	opt, err := n.client(n.namespace(), log)
	if err != nil {
		return nil, err
	}
	return kept(func(ctx context.Context) error {
		return nacosclient.Keep(ctx, opt, nacosclient.Service{Name: service, Group: n.group()}, nacosclient.Instance{Addr: addr})
	}), nil
}

// kept is a registrar that is one function.
type kept func(context.Context) error

// Run implements registrar.
func (k kept) Run(ctx context.Context) error { return k(ctx) }

func nacosConfig(n Nacos, reserved []netip.AddrPort, log *slog.Logger) (nacos.Config, error) {
	c := nacos.Config{Name: "nacos", Keeper: n.keeper(), Namespace: n.namespace(), Group: n.group(), All: n.All, Addresses: registry.AddressRule{Also: n.Allow, Refuse: reserved}, Log: log}
	if n.Name != "" {
		c.Name = "nacos/" + n.Name
	}
	var err, err2, err3 error
	c.Servers, err3 = n.grpcServers()
	c.Login, err = n.login()
	c.TLS, err2 = n.secure()
	if err := errors.Join(err, err2, err3); err != nil {
		return c, fmt.Errorf("app: sources.nacos: %w", err)
	}
	return c, nil
}
