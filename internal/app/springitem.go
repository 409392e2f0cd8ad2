package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/registry/config"
	"paifang/internal/source/springgw"
	nacosclient "paifang/nacos"
)

// springItems are the sources of routes that registries keep. Each is one of its own: a registry that is away holds up nobody else's. What
// files say for all routes holds for theirs too; nil = there are none.
func (a *App) springItems(forAll *springgw.Common) ([]hub.Part, error) {
	var out []hub.Part
	for i, item := range a.cfg.Sources.Spring.Nacos {
		id := config.ID{Namespace: item.Namespace, Group: orDefault(item.Group, "DEFAULT_GROUP"), Name: item.DataID}
		c := springConfig(&a.cfg)
		c.Paths, c.List, c.Above, c.Behind = nil, a.posted != nil, forAll, i+1
		c.Boot.Environ = nil // who may write there may not read the environment here
		follow, err := a.followItem(item.Registry, &id)
		if err != nil {
			return nil, err
		}
		c.Name = "springgw/" + id.String()
		c.Feeds = []springgw.Feed{{Name: "nacos/" + id.String(), Follow: follow}}
		item := springgw.New(c)
		a.springs = append(a.springs, item)
		out = append(out, hub.Part{Source: item, Required: true, Wait: waitForRegistry, Keepers: []string{model.KeeperStatic}})
	}
	return out, nil
}

// followItem is how a configuration is followed: in the registry of this process, or through a connection.
func (a *App) followItem(name string, id *config.ID) (func(context.Context, func(string)) error, error) {
	if name == "" && a.reg != nil {
		id.Namespace = orDefault(id.Namespace, "public")
		own := *id
		return func(ctx context.Context, take func(string)) error { return a.reg.followConfig(ctx, own, take) }, nil
	}
	for _, n := range a.cfg.Sources.Nacos {
		if n.Name != name {
			continue
		}
		id.Namespace = orDefault(id.Namespace, n.namespace())
		opt, err := n.client(id.Namespace, a.log)
		if err != nil {
			return nil, fmt.Errorf("app: sources.nacos: %w", err)
		}
		of := nacosclient.Config{ID: id.Name, Group: id.Group}
		return func(ctx context.Context, take func(string)) error {
			connecting, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			c, err := nacosclient.Connect(connecting, opt)
			if err != nil {
				return err
			}
			defer c.Close()
			return c.FollowConfig(ctx, of, take)
		}, nil
	}
	return nil, fmt.Errorf("app: sources.spring.nacos: there is no registry %q", name)
}

// client is how to connect there.
func (n Nacos) client(namespace string, log *slog.Logger) (nacosclient.Options, error) {
	login, err := n.login()
	secure, err2 := n.secure()
	opt := nacosclient.Options{Servers: n.servers(), Namespace: namespace, TLS: secure, Log: log}
	if n.GRPC != "" {
		opt.GRPC = addresses(n.GRPC)
	}
	if login != nil {
		opt.Username, opt.Password = login.Username, login.Password
	}
	return opt, errors.Join(err, err2)
}

// errStopped is why a configuration cannot be followed in a registry that somebody has stopped.
var errStopped = errors.New("the registry is stopped")

// followConfig calls take with a configuration of the registry as it is, and with every later one. It returns when the registry
// stops.
func (p *registryPiece) followConfig(ctx context.Context, id config.ID, take func(content string)) error {
	p.mu.Lock()
	store, gone := p.kept, p.gone
	p.mu.Unlock()
	if store == nil {
		return errStopped
	}
	w := store.configs.Watch()
	defer w.Close()
	w.Add(id)
	for {
		w.Take()
		item, stale, err := store.configs.Get(ctx, id)
		switch {
		case errors.Is(err, config.ErrUnknown):
			take("")
		case err != nil:
			return err
		case !stale:
			take(item.Content)
		}
		select {
		case <-w.C():
		case <-gone:
			return errStopped
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
