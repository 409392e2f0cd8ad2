package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/model"
	"paifang/internal/registry"
	"paifang/internal/registry/nacosapi"
)

// registryPiece is the embedded registry with its wire servers, which stop and start together. A registry that is
// started again begins with what its storage has kept, as one does whose process was replaced.
type registryPiece struct {
	cfg    *Registry
	data   string           // directory; empty: nothing is kept
	admin  netip.AddrPort   // where browsers are sent
	never  []netip.AddrPort // where instances may not be
	log    *slog.Logger
	handle registry.Handle
	errs   chan error

	mu     sync.Mutex
	kept   *registryStore // what the present server works on
	server *nacosapi.Server
	gone   chan struct{} // closed when the present server is to be forgotten
	follow sync.WaitGroup
	leave  context.CancelFunc // ends following the pair

	pair atomic.Pointer[followedPair] // of TLS; nil: clear text
}

func newRegistryPiece(cfg *Config, log *slog.Logger) *registryPiece {
	return &registryPiece{cfg: cfg.Registry, data: cfg.Data, admin: cfg.adminAddress(), never: cfg.reserved(), log: log, errs: make(chan error, 1)}
}

// start binds both ports and serves; it is an error when it runs already.
func (p *registryPiece) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		return errors.New("the registry runs already")
	}
	var (
		pair   *followedPair
		secure *tls.Config // nil: clear text
		err    error
	)
	if p.cfg.Certificate != "" {
		if pair, err = newFollowedPair(p.cfg.Certificate, p.cfg.Key, p.log); err != nil {
			return fmt.Errorf("app: registry: %w", err)
		}
		secure = pair.config()
	}
	rest, err := net.Listen("tcp", p.cfg.HTTP.String())
	if err != nil {
		return fmt.Errorf("app: registry: %w", err)
	}
	grpc, err := net.Listen("tcp", p.cfg.GRPC.String())
	if err != nil {
		return errors.Join(fmt.Errorf("app: registry: %w", err), rest.Close())
	}
	kept, err := p.open()
	if err != nil {
		return errors.Join(err, rest.Close(), grpc.Close())
	}
	p.kept = kept
	console := p.admin
	if p.cfg.Console.IsValid() {
		console = p.cfg.Console
	}
	p.server = nacosapi.New(nacosapi.Config{
		Log: p.log, Configs: kept.configs, Auth: kept.auth, TLS: secure, Console: "http://" + console.String() + "/",
	}, &p.handle)
	p.gone = make(chan struct{})
	if p.pair.Store(pair); pair != nil {
		var ctx context.Context
		ctx, p.leave = context.WithCancel(context.Background())
		p.follow.Go(func() { pair.run(ctx) })
	}
	p.server.Start(rest, grpc)
	go p.watch(p.server, p.gone)
	return nil
}

// advertised is where other registries on the same storage reach this one; empty: they do not.
func (r *Registry) advertised() string {
	at := netip.AddrPortFrom(cmp.Or(r.Advertise, r.HTTP.Addr()), r.HTTP.Port())
	if at.Addr().IsUnspecified() {
		return ""
	}
	return at.String()
}

// open opens the storage and starts the registry on it.
func (p *registryPiece) open() (*registryStore, error) {
	kept, err := openRegistryStore(p.cfg, p.data, p.log)
	if err != nil {
		return nil, err
	}
	err = p.handle.Start(registry.Options{
		Addresses: registry.AddressRule{Also: p.cfg.Allow, Within: p.cfg.Addresses, Refuse: p.never}, Store: kept.store, Log: p.log, Address: p.cfg.advertised(),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("app: registry: %w", err), kept.close())
	}
	return kept, nil
}

func (p *registryPiece) watch(s *nacosapi.Server, gone <-chan struct{}) {
	select {
	case err := <-s.Failed():
		select {
		case p.errs <- err:
		default:
		}
	case <-gone:
	}
}

// failed tells when a server ended that nobody stopped.
func (p *registryPiece) failed() <-chan error { return p.errs }

// closeWithin bounds how long the wire servers may take to end.
const closeWithin = 2 * time.Second

// stop ends the servers and drops everything that was registered. It tells whether anything ran.
func (p *registryPiece) stop(ctx context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	close(p.gone)
	if p.pair.Swap(nil) != nil {
		p.leave()
		p.follow.Wait()
	}
	if p.cfg.Storage == storageEtcd { // there are others, at which clients are to be before this one is gone
		drain, done := context.WithTimeout(ctx, closeWithin/2)
		p.server.Drain(drain)
		done()
	}
	// The registry goes first: what clients lose by it is not told to those who watch.
	p.handle.Stop()
	if err := p.server.Close(ctx); err != nil {
		p.log.Debug("connections of the registry were cut", "err", err)
	}
	p.server = nil
	if err := p.kept.close(); err != nil {
		p.log.Warn("the registry's storage could not be closed", "err", err)
	}
	p.kept = nil
	return true
}

// Services lists what is registered, used or not.
func (p *registryPiece) Services() []adminapi.Service {
	r, ok := p.handle.Current()
	if !ok {
		return nil
	}
	contact, _ := r.Storage()
	var out []adminapi.Service
	for _, k := range r.Keys() {
		v := r.View(k)
		s := adminapi.Service{Name: k.Service, Namespace: k.Namespace, Group: k.Group, KeptBy: "registry", Revision: v.Revision, Total: len(v.Instances),
			Local: v.Local && contact.Lost} // once the storage answers the others hear of it, without another change
		for i := range v.Instances {
			if v.Instances[i].Healthy && v.Instances[i].Enabled {
				s.Ready++
			}
		}
		out = append(out, s)
	}
	return out
}

// Kept implements explain.Keeping: the source hands on what upstreams use.
func (p *registryPiece) Kept(id model.EndpointsID) (model.EndpointSet, bool) {
	key, err := registry.ParseKey(id.Name)
	r, runs := p.handle.Current()
	if id.Keeper != model.KeeperRegistry || err != nil || !runs || !r.Has(key) {
		return model.EndpointSet{}, false
	}
	sets := registry.Group(sourceRegistry, id.Keeper, r.View(key)).Endpoints()
	if len(sets) == 0 { // it went just now
		return model.EndpointSet{}, false
	}
	return sets[0], true
}

// sourceRegistry is the name of the source that reads the registry in this process.
const sourceRegistry = "registry"

// codeStorageLost is the code of a shared storage that does not answer.
const codeStorageLost model.Code = "registry-storage-lost"

// Diagnostics tells that the storage which registries share does not answer, for as long as it does not, and what is wrong with the
// certificate.
func (p *registryPiece) Diagnostics() []model.Diagnostic {
	r, ok := p.handle.Current()
	if !ok {
		return nil
	}
	var out []model.Diagnostic
	if pair := p.pair.Load(); pair != nil {
		out = pair.Diagnostics()
	}
	contact, _ := r.Storage()
	if !contact.Lost {
		return out
	}
	return append(out, model.Diagnostic{Origin: model.Origin{Source: sourceRegistry, Kind: "source", Name: sourceRegistry}, Severity: model.Warning, Code: codeStorageLost,
		Message: fmt.Sprintf("the storage has no quorum, or is out of reach, since %s: reads go on, writes are refused (%s)", contact.Since.UTC().Format(time.RFC3339), contact.Error)})
}
