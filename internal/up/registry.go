package up

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"paifang/internal/app"
	"paifang/internal/nacoswire"
	"paifang/internal/registry/auth"
)

// registry is the registry's configuration. While only this machine reaches its ports nobody logs in, and one that is stopped has
// forgotten all, as the drill says. Users outlive that, and what they register with them.
func (p *Plan) registry() *app.Registry {
	r := &app.Registry{HTTP: p.Addr["registry"], GRPC: p.Addr["registry-grpc"], Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	if !p.guarded() {
		r.Auth, r.Storage = "off", "memory"
	}
	return r
}

// guarded tells whether clients of the registry log in.
func (p *Plan) guarded() bool {
	return !p.Addr["registry"].Addr().IsLoopback() || !p.Addr["registry-grpc"].Addr().IsLoopback()
}

// passwordFile is where the first user's password is.
func (p *Plan) passwordFile() string {
	data := filepath.Join(p.State, "data")
	if p.Split {
		data = filepath.Join(data, "registry")
	}
	return app.PasswordFile(data)
}

// registryEnv tells pods where the registry is, and as whom to come.
func (p *Plan) registryEnv() map[string]string {
	at, grpc := p.Addr["registry"], p.Addr["registry-grpc"]
	env := map[string]string{"PAIFANG_REGISTRY": at.String()}
	if grpc.Addr() != at.Addr() || int(grpc.Port()) != int(at.Port())+nacoswire.GRPCPortOffset {
		env["PAIFANG_REGISTRY_GRPC"] = grpc.String()
	}
	if p.guarded() {
		env["PAIFANG_REGISTRY_USERNAME"], env["PAIFANG_REGISTRY_PASSWORD_FILE"] = auth.FirstUser, p.passwordFile()
	}
	return env
}

// registryClient is how the other processes of a split up reach the registry.
func (p *Plan) registryClient() app.Nacos {
	r := p.Config.Registry
	n := app.Nacos{Address: r.HTTP.String(), GRPC: r.GRPC.String(), Allow: r.Allow}
	if p.guarded() {
		n.Username, n.Password = auth.FirstUser, p.passwordFile()
	}
	return n
}

// passwordWithin bounds the time in which the registry's process makes its first user.
const passwordWithin = 10 * time.Second

// awaitPassword waits until the registry's process has written what the others log in with.
func (p *Plan) awaitPassword(ctx context.Context) error {
	if !p.guarded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, passwordWithin)
	defer cancel()
	for {
		_, err := os.Stat(p.passwordFile())
		if err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("up: the registry has not written its first user's password: %w", err)
		}
	}
}
