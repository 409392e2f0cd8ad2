package app

import (
	"context"
	"sync"
	"time"
)

// shutdown ends the parts in the order that loses nothing: first nobody is sent here any more, then what is in flight
// ends, then what others depend on goes.
func (a *App) shutdown(admin, control, pods, gateway *running) {
	if a.opt.Ending != nil {
		a.opt.Ending()
	}
	a.hub.Stop()        // not ready, for those who ask
	a.sockets.Unready() // nor for balancers that probe
	gateway.stop()      // who looks the gateway up finds it no more
	a.leave()           // and until they have noticed, whoever comes is served as before
	drain, cancel := context.WithTimeout(context.Background(), a.drainTime())
	defer cancel()
	a.store.Seal()            // what deregisters now must not make planes that close serve again
	var planes sync.WaitGroup // together: the SLB takes nothing new from here on, and its clients hear of the end from the nodes behind it
	planes.Go(func() { a.l4.Close(drain) })
	planes.Go(func() { a.http.Close(drain) }) // requests in flight end while their pods still run
	planes.Wait()
	if pods != nil {
		pods.stop() // they deregister themselves
	}
	control.stop() // its addresses were needed until here
	a.store.Close()
	a.flushTraces()
	a.dns.Close()
	a.sockets.Close()
	if a.reg != nil {
		a.reg.stop(drain) // after everybody who deregisters there
	}
	a.table.Close()
	admin.stop() // late, so that one can watch the end
	a.close()
}

// flushTime is how long the spans of the last requests may take.
const flushTime = 2 * time.Second

// flushTraces has what waits for a collector sent, once there is nobody left who makes more of it.
func (a *App) flushTraces() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	a.traces.Close(ctx)
}

// leaveTime is the default of Config.Leave: above the time in which an SLB with its defaults leaves a node out.
const leaveTime = time.Second

// leave waits until those who send requests here have noticed that they should not. Nothing changes for who comes meanwhile:
// told now that its connection ends, a client would come back here.
func (a *App) leave() {
	wait := a.cfg.Leave.or(leaveTime)
	if wait <= 0 || a.cfg.Leave == 0 && !a.cfg.sought() && !a.balanced() {
		return
	}
	a.log.Info("leaving", "process", a.opt.Name, "for", wait)
	time.Sleep(wait)
}

// sought tells whether anybody is known to look for this process: a balancer, a registry, or probes from elsewhere.
func (c *Config) sought() bool {
	return c.Admin.Public.IsValid() ||
		c.Ingress != nil && !c.Ingress.Elsewhere && len(c.Ingress.ProxyFrom) > 0 ||
		c.Gateway != nil && !c.Gateway.Elsewhere && (len(c.Gateway.ProxyFrom) > 0 || c.Gateway.registers())
}

// balanced tells whether a balancer sends connections here that only a source knows of.
func (a *App) balanced() bool {
	for l := range a.store.Load().Listeners() {
		if !l.Elsewhere && len(l.Trust.ProxyFrom) > 0 {
			return true
		}
	}
	return false
}

// drainTime is how long work in flight may take: as long as the listener that gives it most.
func (a *App) drainTime() time.Duration {
	d := a.cfg.Drain.or(5 * time.Second)
	for l := range a.store.Load().Listeners() {
		if !l.Elsewhere {
			d = max(d, l.Clients.Drain)
		}
	}
	return d
}
