package nacos

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"paifang/internal/nacosconn"
	"paifang/internal/nacoswire"
)

// Registration is the instance that a Registrar keeps registered.
type Registration struct {
	Namespace string         // default "public"
	Group     string         // default "DEFAULT_GROUP"
	Service   string         // required
	Cluster   string         // default "DEFAULT"
	Addr      netip.AddrPort // required
	Weight    float64        // default 1
	Metadata  map[string]string
}

// RegistrarConfig says where a Registrar registers. Servers is required.
type RegistrarConfig struct {
	Servers []string         // host:port, or URLs, of HTTP; one after the other is tried
	Beat    time.Duration    // between heartbeats; default: what the server asks for, 5 s as a rule
	Retry   time.Duration    // after a failure; default 1 s
	Timeout time.Duration    // of one request; default 2 s
	Login   *nacosconn.Login // default: none is asked for
	TLS     *tls.Config      // default: clear text
	Log     *slog.Logger     // default: nothing is logged
}

// Registrar keeps one instance registered by HTTP v1, which every server before Nacos 3.2 speaks, and ours. It is used by
// one goroutine.
type Registrar struct {
	cfg    RegistrarConfig
	form   nacoswire.Form
	client *http.Client
	tokens *nacosconn.Tokens
	server int // in use
}

// NewRegistrar makes a registrar; Run does the work.
func NewRegistrar(cfg RegistrarConfig, reg Registration) (*Registrar, error) {
	switch {
	case len(cfg.Servers) == 0:
		return nil, errors.New("nacos: register: no servers are configured")
	case reg.Service == "":
		return nil, errors.New("nacos: register: the service has no name")
	case !reg.Addr.IsValid() || reg.Addr.Port() == 0:
		return nil, fmt.Errorf("nacos: register %s: address %s: want IP:PORT", reg.Service, reg.Addr)
	}
	cfg.Retry = cmp.Or(cfg.Retry, time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	in := nacoswire.NewInstance(reg.Addr.Addr().Unmap().String(), int(reg.Addr.Port()))
	in.ClusterName = cmp.Or(reg.Cluster, nacoswire.DefaultCluster)
	in.Weight = cmp.Or(reg.Weight, 1)
	in.Metadata = reg.Metadata
	return &Registrar{
		cfg:    cfg,
		form:   nacoswire.Form{Namespace: reg.Namespace, Group: reg.Group, Service: reg.Service, Instance: in},
		client: nacosconn.NewHTTPClient(cfg.TLS),
		tokens: nacosconn.NewTokens(cfg.Login, cfg.TLS),
	}, nil
}

// Run registers, keeps the instance alive by heartbeats, registers again when the server does not know it, and tries
// again when the server does not answer. When ctx ends it deregisters; the error is that of the deregistration.
func (r *Registrar) Run(ctx context.Context) error {
	var said string
	beat := false // heartbeat next, else registration
	for {
		wait, err := r.cfg.Retry, error(nil)
		if beat {
			wait, beat, err = r.beat(ctx)
			if err == nil && !beat {
				continue // not known there: register at once
			}
		} else if err = r.Register(ctx); err == nil {
			beat, wait = true, cmp.Or(r.cfg.Beat, 5*time.Second)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil && err.Error() != said:
			said = err.Error()
			r.cfg.Log.Warn("nacos: registration failed, trying again", "service", r.form.Service, "error", err)
		case err == nil && said != "":
			said = ""
			r.cfg.Log.Info("nacos: registered again", "service", r.form.Service)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.Timeout*time.Duration(len(r.cfg.Servers)))
			defer cancel()
			return r.Deregister(ctx)
		}
	}
}

// Register registers once, at the first server that answers.
func (r *Registrar) Register(ctx context.Context) error {
	_, err := r.call(ctx, http.MethodPost, "/v1/ns/instance", r.form.Values())
	return err
}

// Deregister deregisters once, at the first server that answers.
func (r *Registrar) Deregister(ctx context.Context) error {
	_, err := r.call(ctx, http.MethodDelete, "/v1/ns/instance", r.form.Values())
	return err
}

// beat sends a heartbeat. It returns the time until the next one and whether the server knows the instance.
func (r *Registrar) beat(ctx context.Context) (time.Duration, bool, error) {
	q := r.form.Values()
	for _, name := range []string{"weight", "enabled", "healthy", "ephemeral", "metadata"} {
		q.Del(name)
	}
	body, err := r.call(ctx, http.MethodPut, "/v1/ns/instance/beat", q)
	if err != nil {
		return r.cfg.Retry, false, err
	}
	var a nacoswire.BeatAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return r.cfg.Retry, false, fmt.Errorf("nacos: heartbeat: answer: %w", err)
	}
	asked := min(time.Duration(a.Interval)*time.Millisecond, 30*time.Second)
	return cmp.Or(r.cfg.Beat, max(asked, 100*time.Millisecond)), a.Code == nacoswire.BeatOK, nil
}

// call asks the servers one after the other, beginning with the one that answered last.
func (r *Registrar) call(ctx context.Context, method, path string, q url.Values) ([]byte, error) {
	var errs []error
	for range r.cfg.Servers {
		server := r.cfg.Servers[r.server%len(r.cfg.Servers)]
		body, err := r.ask(ctx, method, server, path, q)
		if err == nil {
			return body, nil
		}
		errs = append(errs, fmt.Errorf("nacos: %s %s at %s: %w", method, path, server, err))
		r.server++
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (r *Registrar) ask(ctx context.Context, method, server, path string, q url.Values) ([]byte, error) {
	if !strings.Contains(server, "://") {
		server = r.tokens.Scheme + server
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(server, "/")+"/nacos"+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "Paifang")
	token, err := r.tokens.Get(ctx)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, nacosconn.WithoutURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized {
		r.tokens.Drop(token) // the next try logs in again
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.200s", resp.Status, body)
	}
	return body, nil
}
