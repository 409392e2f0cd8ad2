package podrun

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"paifang/internal/model"
)

// firstConnect is how long a pod without a readiness probe that serves a port counts as not ready while nothing listens
// there. Kubernetes takes it for ready at once and has its first requests refused.
const firstConnect = 5 * time.Second

// attachedEach is the pause between two looks whether an attached process without a readiness probe accepts connections.
const attachedEach = 500 * time.Millisecond

// watcher runs what accompanies one process: its probes and its mappings.
type watcher struct {
	p        *pod
	c        model.Container
	started  time.Time
	target   func(port uint16) netip.AddrPort // where the process listens
	command  command                          // whose directory and environment exec probes have
	verdicts chan verdict
	ctx      context.Context // ends with the process
	cancel   context.CancelFunc
	running  sync.WaitGroup
	maps     []*mapping
}

func (p *pod) newWatcher(started time.Time, target func(uint16) netip.AddrPort, c command) *watcher {
	w := &watcher{p: p, c: p.spec.Container, started: started, target: target, command: c, verdicts: make(chan verdict)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// end ends probes and mappings and waits for them.
func (w *watcher) end() {
	w.cancel()
	w.running.Wait()
	for _, m := range w.maps {
		m.close()
	}
}

// probe begins one probe.
func (w *watcher) probe(role probeRole, p *model.Probe) {
	var do check
	switch p.Kind {
	case model.ProbeExec:
		do = w.checkExec(*p)
	case model.ProbeTCP:
		do = checkTCP(probeTarget(*p, w.target(p.Port)))
	default:
		do = checkHTTP(*p, probeTarget(*p, w.target(p.Port)))
	}
	w.running.Go(func() { watchProbe(w.ctx, role, *p, w.started, do, w.verdicts) })
}

func (w *watcher) checkExec(p model.Probe) check {
	return func(ctx context.Context) error {
		if len(p.Command) == 0 {
			return errors.New("the exec probe has no command")
		}
		path, err := locate(p.Command[0], w.command.dir)
		if err != nil {
			return err
		}
		return w.p.r.spawner.runOnce(ctx, command{argv: words(path, p.Command[1:]), dir: w.command.dir, env: w.command.env})
	}
}

// begin starts what may run at once: the startup probe alone, if there is one.
func (w *watcher) begin() {
	if w.c.Startup != nil {
		w.probe(startup, w.c.Startup)
		return
	}
	w.up()
}

// up starts what the startup probe holds back.
func (w *watcher) up() {
	if w.c.Liveness != nil && !w.p.attached.IsValid() {
		w.probe(liveness, w.c.Liveness)
	}
	switch ports := w.p.spec.Serves; {
	case w.c.Readiness != nil:
		w.probe(readiness, w.c.Readiness)
	case w.p.attached.IsValid():
		w.probe(readiness, &model.Probe{Kind: model.ProbeTCP, Period: attachedEach, FailureThreshold: 1})
	default:
		w.running.Go(func() {
			if len(ports) > 0 {
				ctx, cancel := context.WithTimeout(w.ctx, firstConnect)
				defer cancel()
				listens(ctx, w.target(ports[0].Port))
			}
			select {
			case w.verdicts <- verdict{probe: readiness, ok: true, turned: true}:
			case <-w.ctx.Done():
			}
		})
	}
}

// carry begins the mappings of a launch.
func (w *watcher) carry(l launch) {
	for i, port := range l.ports {
		if i == 0 && l.mapped {
			w.carryOne(port.Addr, port.Process, fmt.Sprintf("port %d", port.Port))
		}
		if port.Host.IsValid() {
			w.carryOne(port.Host, listening(port), fmt.Sprintf("hostPort %d", port.Host.Port()))
		}
	}
}

func (w *watcher) carryOne(from, to netip.AddrPort, what string) {
	w.maps = append(w.maps, startMapping(w.ctx, from, to, func(err error) {
		w.p.change(func(v *view) {
			if err == nil {
				delete(v.mapped, from)
				return
			}
			if v.mapped == nil {
				v.mapped = map[netip.AddrPort]model.Diagnostic{}
			}
			v.mapped[from] = model.Diagnostic{Origin: w.p.spec.Origin, Severity: model.Error, Code: model.CodeAddressTaken,
				Message: fmt.Sprintf("%s: %s is not mapped, and tried again: %v", w.p.name, what, err)}
		})
	}))
}

// supervise accompanies a process until it ended.
func (p *pod) supervise(l launch, proc *process) outcome {
	w := p.newWatcher(proc.started, l.process, l.command)
	defer func() {
		w.end()
		proc.wait()
		if err := p.r.ledger.remove(proc.pid); err != nil {
			p.r.cfg.Log.Warn("an ended pod cannot be forgotten", "pod", p.name, "err", err)
		}
	}()
	w.carry(l)
	w.begin()
	for {
		select {
		case <-proc.exited:
			w.cancel()
			return p.exited(proc)
		case v := <-w.verdicts:
			if dead := p.judge(w, v); dead != "" {
				p.quit(w, proc, dead)
				p.exited(proc)
				p.change(func(v *view) { v.status.Message = dead })
				if p.spec.Never {
					return final
				}
				return restart
			}
		case <-p.end:
			p.quit(w, proc, "")
			return ended
		case o := <-p.orders:
			if stopped := p.obey(w, proc, o); stopped {
				return held
			}
		}
	}
}

// judge acts on the verdict of a probe. It returns why the process has to be restarted, if it has.
func (p *pod) judge(w *watcher, v verdict) string {
	switch {
	case !v.turned:
		p.change(func(s *view) { s.status.Message = fmt.Sprintf("%s probe: %v", v.probe, v.why) })
	case v.probe == readiness:
		p.change(func(s *view) {
			if s.status.Phase == Terminating {
				return
			}
			s.status.Ready, s.status.Message = v.ok, ""
			if v.ok {
				s.status.Since, s.fault = time.Now(), nil
			} else {
				s.status.Message = fmt.Sprintf("readiness probe: %v", v.why)
			}
		})
	case v.probe == startup && v.ok:
		w.up()
	case !v.ok:
		return fmt.Sprintf("%s probe failed: %v", v.probe, v.why)
	}
	return ""
}

// exited shows that the process ended, before anything else is done: its address must leave the lists at once.
func (p *pod) exited(proc *process) outcome {
	p.change(func(v *view) {
		v.status.Ready, v.status.PID, v.draining = false, 0, false
		v.status.Message = "ended: " + proc.how()
	})
	proc.wait()
	if last := p.out.lastLine(); last != "" && proc.err != nil {
		p.change(func(v *view) {
			v.status.Message += ": " + last
			if strings.Contains(last, "address already in use") && p.spec.Container.PortEnv == "" {
				v.status.Message += " (a program that binds all addresses needs the annotation paifang.dev/port-env)"
			}
		})
	}
	if p.spec.Never {
		return final
	}
	return restart
}

// quit ends the process as Kubernetes does: its endpoint drains, SIGTERM, and SIGKILL when its grace period is over.
// What restarts is not asked: why is shown, and empty when the pod goes.
func (p *pod) quit(w *watcher, proc *process, why string) {
	p.change(func(v *view) {
		v.draining = v.draining || v.status.Ready
		v.status.Ready, v.status.Phase, v.status.Message = false, Terminating, why
	})
	stay := orElse(p.spec.Grace, defaultStay)
	announced := time.NewTimer(announceFor)
	defer announced.Stop()
	select {
	case <-p.r.announce():
	case <-announced.C:
	case <-proc.exited:
	case <-p.r.hurry:
	}
	_ = proc.signal(TERM)
	_ = proc.signal(CONT) // a frozen one gets to see it
	limit := time.NewTimer(stay)
	defer limit.Stop()
	closing, hurry := p.r.closing, p.r.hurry
	for {
		select {
		case <-proc.exited:
			return
		case <-w.verdicts: // no longer of interest
		case <-closing:
			closing = nil
			if hurry != nil {
				limit.Reset(min(stay, p.r.cfg.StopWithin))
			}
		case <-hurry:
			hurry = nil
			limit.Reset(0)
		case <-limit.C:
			_ = proc.signal(KILL)
		case o := <-p.orders:
			if o.signal == KILL {
				o.answer(proc.signal(KILL))
			} else {
				o.answer(errors.New("it is being ended"))
			}
		}
	}
}

// obey does what somebody wants by hand. It is true when the pod was stopped by it.
func (p *pod) obey(w *watcher, proc *process, o order) (stopped bool) {
	switch {
	case o.hold && o.signal == TERM:
		p.quit(w, proc, "stopped by hand")
	case o.hold && o.signal == KILL:
		if err := proc.signal(KILL); err != nil {
			o.answer(err)
			return false
		}
		<-proc.exited
	case o.start, o.signal == CONT:
		s, _ := p.look()
		if s.Phase != Frozen {
			o.answer(errors.New("it is running already"))
			return false
		}
		err := proc.signal(CONT)
		if err == nil {
			p.change(func(v *view) { v.status.Phase, v.status.Message = Running, "" })
		}
		o.answer(err)
		return false
	default:
		err := proc.signal(o.signal)
		if err == nil && o.signal == STOP {
			p.change(func(v *view) { v.status.Phase, v.status.Message = Frozen, "frozen by hand; paifang start "+p.name })
		}
		o.answer(err)
		return false
	}
	p.change(func(v *view) { v.status.Ready, v.status.PID, v.draining = false, 0, false })
	p.holder = o // is answered once everything that accompanied the process has ended, too
	return true
}

// attend accompanies a process that somebody else runs.
func (p *pod) attend() {
	at := map[uint16]netip.AddrPort{}
	var ports []PodPort
	for _, port := range p.containerPorts() {
		at[port] = p.attached
		ports = append(ports, PodPort{Port: port, Addr: p.attached})
	}
	p.change(func(v *view) {
		v.status.IP, v.status.Ports, v.status.Phase, v.status.Started, v.at = p.attached.Addr(), ports, Running, time.Now(), at
	})
	w := p.newWatcher(time.Now(), func(uint16) netip.AddrPort { return p.attached }, command{env: []string{}})
	defer w.end()
	w.begin()
	for {
		select {
		case v := <-w.verdicts:
			// Nothing is restarted here, so a failure only says that it is not ready.
			if why := p.judge(w, v); why != "" {
				p.change(func(v *view) { v.status.Message = why })
				w.probe(startup, w.c.Startup)
			}
		case o := <-p.orders:
			o.answer(fmt.Errorf("it is attached: end or start the process at %s yourself", p.attached))
		case <-p.end:
			return
		}
	}
}
