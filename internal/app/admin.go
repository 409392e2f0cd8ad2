package app

import (
	"context"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/model"
)

func (a *App) serveAdmin(ctx context.Context) error {
	l := a.admin
	var reader adminapi.Reader = a.local
	if len(a.opt.Peers) > 0 {
		reader = adminapi.Merged(append([]adminapi.Named{{Name: a.opt.Name, Reader: a.local}}, a.opt.Peers...))
	}
	return adminapi.New(adminapi.Config{
		Reader: reader, Explainer: a.local, Health: a.local, Actions: a.local.Actions, Printed: a.cfg.Print, Log: a.log,
		Hosts: []string{a.cfg.adminAddress().Addr().String()},
	}).Serve(ctx, l)
}

// WaitReady returns when the process is ready, or with ctx's error.
func (a *App) WaitReady(ctx context.Context) error {
	return poll(ctx, a.hub.Ready)
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
		return true
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
