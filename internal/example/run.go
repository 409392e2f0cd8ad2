package example

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"paifang/nacos"
)

// The steps of an end. Together they are shorter than the grace period that the example's manifest gives the pods.
const (
	linger = 300 * time.Millisecond // between the deregistration and the end of the listener: callers have to hear of it
	finish = 3 * time.Second        // for requests in flight
)

// register keeps an instance registered until ctx ends, and deregisters it then; nil: nobody is to know of it.
type register func(ctx context.Context) error

// Run serves on POD_IP:PORT (default 127.0.0.1:8080) until ctx ends, which SIGTERM does where the caller has it so.
// It registers itself as nacos-order-service at PAIFANG_REGISTRY, and keeps trying where that does not answer. At the
// end it deregisters, waits for that to be heard, finishes what it has begun, and returns nil. Further variables:
// POD_NAME, NODE_NAME, VERSION; PAIFANG_REGISTRY_GRPC, where that is not 1000 above; PAIFANG_REGISTRY_USERNAME and
// PAIFANG_REGISTRY_PASSWORD_FILE, where the registry asks. What it has to say goes to stdout.
func Run(ctx context.Context, env func(string) string, stdout io.Writer) error {
	s, err := readSettings(env)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stdout, nil)).With("pod", s.pod)
	var keep register
	if len(s.registry.Servers) > 0 {
		s.registry.Log = log
		keep = func(ctx context.Context) error {
			return nacos.Keep(ctx, s.registry, nacos.Service{Name: RegistryService}, nacos.Instance{
				Addr: s.addr, Metadata: map[string]string{"version": s.version, "pod": s.pod, "node": s.node},
			})
		}
	}
	return serve(ctx, s, keep, log)
}

func serve(ctx context.Context, s settings, keep register, log *slog.Logger) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.addr.String())
	if err != nil {
		return fmt.Errorf("example: listen: %w", err)
	}
	h := &handler{settings: s}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	log.Info("serving", "address", s.addr.String(), "version", s.version)

	registered := make(chan error, 1)
	while, deregister := context.WithCancel(context.WithoutCancel(ctx))
	defer deregister()
	if keep != nil {
		go func() { registered <- keep(while) }()
	}
	select {
	case err := <-served:
		deregister()
		if keep != nil {
			<-registered //nolint:errcheck // the server has failed, which is what counts
		}
		return fmt.Errorf("example: serve: %w", err)
	case <-ctx.Done():
	}

	log.Info("ending")
	if keep != nil {
		deregister()
		if err := <-registered; err != nil {
			log.Warn("deregistration failed", "error", err)
		}
	}
	h.draining.Store(true)
	time.Sleep(linger) // requests that are on their way are answered, and told to close their connection
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
		log.Warn("requests were cut off", "error", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("example: serve: %w", err)
	}
	log.Info("ended")
	return nil
}
