package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/console"
	"paifang/internal/explain"
	"paifang/internal/model"
)

// Reader reads what the admin API lists: this process, together with its peers where it has some. Roads are for this one to
// tell, which reads all rules and hears of all addresses: to a node an application that the registry lists too is on one road.
func (a *App) Reader() adminapi.Reader {
	if len(a.opt.Peers) == 0 {
		return a.local
	}
	var all adminapi.Merged
	for _, p := range a.opt.Peers {
		all = append(all, adminapi.Named{Name: p.Name, Reader: adminapi.Without(p.Client, adminapi.Roads)})
	}
	return append(all, adminapi.Named{Name: a.opt.Name, Reader: a.local})
}

func (a *App) serveAdmin(ctx context.Context) error {
	reader := a.Reader()
	var explainer adminapi.Explainer = a.local
	if all, ok := reader.(adminapi.Merged); ok {
		var traces []explain.Traces
		for _, p := range a.opt.Peers {
			traces = append(traces, p.Client)
		}
		explainer = adminapi.Together{Rules: a.local, All: all, Parts: traces}
	}
	server := adminapi.New(adminapi.Config{
		Reader: reader, Explainer: explainer, Health: a.local, Actions: a.local.Actions, Traces: a.ring, Printed: a.cfg.Print, Log: a.log,
		Meter: a.newMeter(), Reopen: a.ReopenAccessLog,
		Actuator: a.newActuator(),
		Hosts:    []string{a.cfg.adminAddress().Addr().String()},
		Console:  console.New(console.Config{Reader: reader, Explainer: explainer, Log: a.log}),
	})
	if a.public == nil {
		return server.Serve(ctx, a.admin)
	}
	var both sync.WaitGroup
	var public error
	both.Go(func() { public = server.ServePublic(ctx, a.public) })
	err := server.Serve(ctx, a.admin)
	both.Wait()
	return errors.Join(err, public)
}

// WaitReady returns when the process is ready, or with ctx's error.
func (a *App) WaitReady(ctx context.Context) error {
	return poll(ctx, a.hub.Ready)
}

// tellReady says once in the log that the process is ready.
func (a *App) tellReady(ctx context.Context) error {
	if a.WaitReady(ctx) == nil {
		a.log.Info("ready", "process", a.opt.Name, "after", time.Since(a.started).Round(time.Millisecond))
	}
	return nil
}

// WaitSettled returns when the process is ready, its pods are, and every list that a route uses has somebody in it;
// or with ctx's error.
func (a *App) WaitSettled(ctx context.Context) error {
	return poll(ctx, func() bool {
		if !a.hub.Ready() {
			return false
		}
		if a.pods != nil {
			for _, p := range a.pods.Pods() {
				if !p.Ready {
					return false
				}
			}
		}
		for _, id := range a.store.Load().InUse() {
			l, ok := a.table.List(id)
			if !ok || !anyReady(l.Endpoints) {
				return false
			}
		}
		return a.opt.Settled == nil || a.opt.Settled(ctx)
	})
}

func anyReady(all []model.Endpoint) bool {
	for _, e := range all {
		if e.State == model.Ready {
			return true
		}
	}
	return false
}

func poll(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
