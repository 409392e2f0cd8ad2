package nacos

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/shard"
	"paifang/internal/source"
)

// Config says which registry is read, and what of it. Servers is required.
type Config struct {
	Name      string   // of the source; default "nacos"
	Keeper    string   // of its lists: model.KeeperRegistry, the default, or "registry/NAME"
	Servers   []string // host:port of gRPC, see GRPCAddress; tried in turn
	Namespace string   // default "public"
	Group     string   // whose services are listed; default "DEFAULT_GROUP"
	All       bool     // read the lists of all services, and not only of those that routes use

	Addresses registry.AddressRule // which instances are believed; others are diagnosed
	Poll      time.Duration        // between looks for new services, where the server does not tell of them; default 1 s
	Leave     time.Duration        // from the last use of a service to the end of its subscription; default 1 min
	Forget    time.Duration        // from when the server does not list a service that has no instances, until it is told to be gone; default registry.Doubt
	Timeout   time.Duration        // of one request; default 3 s
	Login     *nacosconn.Login     // default: none is asked for
	TLS       *tls.Config          // default: clear text
	Log       *slog.Logger         // default: nothing is logged
}

// GRPCAddress returns the gRPC address of a server of which the HTTP address is known: the port is 1000 higher.
func GRPCAddress(http string) (string, error) {
	host, port, err := net.SplitHostPort(http)
	if err != nil {
		return "", fmt.Errorf("nacos: server %q: want host:port: %w", http, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n+nacoswire.GRPCPortOffset > 65535 {
		return "", fmt.Errorf("nacos: server %q: port %q: want 1 to %d", http, port, 65535-nacoswire.GRPCPortOffset)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+nacoswire.GRPCPortOffset)), nil
}

// Source turns the services of one namespace into endpoint sets. It names those of one group and reads those, of any group, that
// routes use: a registry may have thousands more, and each subscription costs it a push with every change.
type Source struct {
	cfg    Config
	tokens *nacosconn.Tokens

	mu       sync.Mutex
	next     int // server to try
	inUse    map[registry.Key]bool
	reported shard.Map[model.EndpointsID] // what inUse was made from
	used     chan struct{}                // inUse has changed
}

var (
	_ source.Source   = (*Source)(nil)
	_ source.Reporter = (*Source)(nil)
)

// New makes a source.
func New(cfg Config) *Source {
	cfg.Name = cmp.Or(cfg.Name, "nacos")
	cfg.Keeper = cmp.Or(cfg.Keeper, model.KeeperRegistry)
	cfg.Namespace = cmp.Or(cfg.Namespace, nacoswire.PublicNamespace)
	cfg.Group = cmp.Or(cfg.Group, nacoswire.DefaultGroup)
	cfg.Poll = cmp.Or(cfg.Poll, time.Second)
	cfg.Leave = cmp.Or(cfg.Leave, time.Minute)
	cfg.Forget = cmp.Or(cfg.Forget, registry.Doubt)
	cfg.Timeout = cmp.Or(cfg.Timeout, 3*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{cfg: cfg, tokens: nacosconn.NewTokens(cfg.Login, cfg.TLS), inUse: map[registry.Key]bool{}, used: make(chan struct{}, 1)}
}

// Name is Config.Name.
func (s *Source) Name() string { return s.cfg.Name }

// Report notes which lists routes use; the services of this source among them are subscribed to.
func (s *Source) Report(_ context.Context, r source.Report) error {
	s.mu.Lock()
	changed := false
	for c := range r.InUse.Changes(s.reported) {
		list := c.New
		if !c.HasNew {
			list = c.Old
		}
		if list.Keeper != s.cfg.Keeper {
			continue
		}
		key, err := registry.ParseKey(list.Name)
		if err != nil || key.Namespace != s.cfg.Namespace || key.Validate() != nil || s.inUse[key] == c.HasNew {
			continue
		}
		changed = true
		if c.HasNew {
			s.inUse[key] = true
		} else {
			delete(s.inUse, key)
		}
	}
	s.reported = r.InUse
	s.mu.Unlock()
	if !changed {
		return nil
	}
	select {
	case s.used <- struct{}{}:
	default:
	}
	return nil
}

// Run sends the list of every service that is in use, the names of the others, then every change. It fails when the connection is lost: what was sent stays
// true until something else is known. The first list of each service is in doubt, for the server may have lost its
// memory; what it pushes later is not.
func (s *Source) Run(ctx context.Context, out chan<- source.Update) error {
	x, err := s.connect(ctx)
	if err == nil {
		err = x.run(x.conn.Context(), out)
		x.close()
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// connect tries each server once, beginning after the one that was last used.
func (s *Source) connect(ctx context.Context) (*session, error) {
	if len(s.cfg.Servers) == 0 {
		return nil, errors.New("nacos: no servers are configured")
	}
	var errs []error
	for range s.cfg.Servers {
		s.mu.Lock()
		server := s.cfg.Servers[s.next%len(s.cfg.Servers)]
		s.next++
		s.mu.Unlock()
		x, err := s.open(ctx, server)
		if err == nil {
			return x, nil
		}
		errs = append(errs, fmt.Errorf("nacos: connect %s: %w", server, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}
