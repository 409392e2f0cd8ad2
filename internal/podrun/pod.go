package podrun

import (
	"errors"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"paifang/internal/model"
)

// The measures of a pod's life.
const (
	retryLaunch = 2 * time.Second        // between two looks whether what kept a pod from starting has passed
	announceFor = 200 * time.Millisecond // for the word that a pod drains to be delivered, before it is told to end
	defaultStay = 30 * time.Second       // between SIGTERM and SIGKILL (Kubernetes, terminationGracePeriodSeconds)
)

// pod is one pod from its birth to its end. Its goroutine runs live.
type pod struct {
	r        *Runner
	spec     model.Workload // as it was at the pod's birth
	name     string
	born     int            // the higher, the younger
	node     int            // index of its node; -1: there is no such node
	attached netip.AddrPort // of a process that we did not start
	end      chan struct{}  // closed when the pod has to go
	orders   chan order     // by hand
	over     chan struct{}  // closed when its goroutine has returned

	// Of the owner of the Runner alone:
	ending bool
	serves []model.Serves

	// Of the pod's goroutine alone:
	out    *output
	holder order  // by which the pod was stopped
	free   uint16 // the port that its program was given; 0: none
	pauses backoff

	mu     sync.Mutex
	labels model.Tags
	view   view
}

// view is what others see of a pod.
type view struct {
	status   PodStatus
	draining bool                      // it serves, but was told to end
	at       map[uint16]netip.AddrPort // where a containerPort is reached, once the pod has an address
	fault    *model.Diagnostic         // of its life
	mapped   map[netip.AddrPort]model.Diagnostic
}

func newPod(r *Runner, w model.Workload, name string, attached netip.AddrPort, born int) *pod {
	p := &pod{r: r, spec: w, name: name, born: born, attached: attached, end: make(chan struct{}), orders: make(chan order),
		over: make(chan struct{}), serves: w.Serves, labels: w.Labels, pauses: backoff{first: r.cfg.Backoff}}
	p.view.status = PodStatus{Namespace: w.Namespace, Name: name, Phase: Waiting, Workload: w.ID, Origin: w.Origin,
		Attached: attached.IsValid()}
	if r.cfg.Logs != "" && !attached.IsValid() {
		file := name
		if w.Namespace != "" && w.Namespace != "default" {
			file = w.Namespace + "_" + name
		}
		p.view.status.Log = filepath.Join(r.cfg.Logs, file+".log")
	}
	return p
}

// look returns the pod as it stands now.
func (p *pod) look() (PodStatus, []model.Diagnostic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ds []model.Diagnostic
	if p.view.fault != nil {
		ds = append(ds, *p.view.fault)
	}
	for _, d := range p.view.mapped {
		ds = append(ds, d)
	}
	return p.view.status, ds
}

// change alters what others see, tells the hook if there is anything new in it, and has the owner look.
func (p *pod) change(f func(*view)) {
	p.r.telling.Lock()
	p.mu.Lock()
	before := p.view.status
	f(&p.view)
	after := p.view.status
	p.mu.Unlock()
	if !before.same(after) {
		p.r.tell(after)
	}
	p.r.telling.Unlock()
	p.r.poke()
}

// endpoint is the pod as a member of a list, on a port. There is none before it has an address and a program.
func (p *pod) endpoint(port uint16) (model.Endpoint, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.view.status
	at, ok := p.view.at[port]
	switch {
	case p.view.at == nil:
		return model.Endpoint{}, false
	case !ok && s.Attached:
		at = p.attached
	case !ok: // a port that came into a list after the pod was born
		at = netip.AddrPortFrom(s.IP, port)
	}
	e := model.Endpoint{Addr: at, Node: s.Node, Name: p.name, Tags: p.labels, State: model.Unhealthy}
	switch {
	case p.view.draining:
		e.State = model.Draining
	case s.Ready:
		e.State, e.Since = model.Ready, s.Since
	}
	return e, true
}

func (p *pod) relabel(labels model.Tags) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.labels = labels
}

// keep is for a pod of a template that is no longer wanted: it stays in the lists that are still served, on the port
// that it has there.
func (p *pod) keep(wanted []model.Serves) {
	serves := make([]model.Serves, 0, len(wanted))
	for _, s := range wanted {
		for _, mine := range p.serves {
			if mine.List == s.List {
				s.Port = mine.Port
			}
		}
		serves = append(serves, s)
	}
	p.serves = serves
}

// tellToEnd is called by the owner, any number of times.
func (p *pod) tellToEnd() {
	if !p.ending {
		p.ending = true
		p.change(func(v *view) {
			v.draining = v.status.Ready
			v.status.Phase, v.status.Ready = Terminating, false
		})
		close(p.end)
	}
}

func (p *pod) gone() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// usesHostPort tells whether the pod has a hostPort that is among ports.
func (p *pod) usesHostPort(ports []model.Port) bool {
	for _, mine := range p.spec.Container.Ports {
		for _, other := range ports {
			if mine.Host != 0 && mine.Host == other.Host {
				return true
			}
		}
	}
	return false
}

// outcome is why a process is no longer supervised.
type outcome int

const (
	ended   outcome = iota // the pod was told to end
	restart                // the process ended, or had to
	held                   // stopped by hand
	final                  // the process ended and is not restarted
)

// live is the pod's life.
func (p *pod) live() {
	defer p.bury()
	if p.attached.IsValid() {
		p.attend()
		return
	}
	for {
		var proc *process
		l, err := p.prepare()
		if err == nil {
			proc, err = p.launch(l)
		}
		if err != nil {
			p.wait(err)
			if !p.idle(retryLaunch) {
				return
			}
			continue
		}
		switch p.supervise(l, proc) {
		case ended:
			return
		case restart:
			if !p.rest(time.Since(proc.started), proc) {
				return
			}
		case held:
			if !p.hold() {
				return
			}
		case final:
			if !p.finish(proc) {
				return
			}
		}
	}
}

// bury gives everything back.
func (p *pod) bury() {
	p.change(func(v *view) {
		v.status.Phase, v.status.Ready, v.status.PID, v.status.Message = Terminating, false, 0, "ended"
		v.at, v.draining, v.fault, v.mapped = nil, false, nil, nil
	})
	if ip := p.ip(); ip.IsValid() && !p.attached.IsValid() && !p.r.cfg.Single {
		p.r.places.giveBack(ip)
	}
	if p.free != 0 {
		p.r.places.giveBackPort(p.free)
	}
	if p.out != nil {
		p.out.close()
	}
	close(p.over)
	p.r.poke()
}

// wait shows why the pod cannot start.
func (p *pod) wait(why error) {
	d := model.Diagnostic{Origin: p.spec.Origin, Severity: model.Error, Code: model.CodeWorkloadFailed, Message: p.name + ": " + why.Error()}
	var f *fault
	if errors.As(why, &f) {
		d.Code, d.Field = f.code, f.field
		if f.code == model.CodeNoProgram {
			d.Message = f.text // the same for every pod of the workload
		}
	}
	p.change(func(v *view) {
		v.status.Phase, v.status.Message, v.status.Ready, v.status.PID = Waiting, why.Error(), false, 0
		v.at, v.draining, v.fault, v.mapped = nil, false, &d, nil
	})
}

// idle lets time pass in which there is no process, and obeys orders. It is false when the pod has to go, and true when
// it has to start.
func (p *pod) idle(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return true
		case <-p.end:
			return false
		case o := <-p.orders:
			switch {
			case o.start:
				o.answer(nil)
				return true
			case o.hold && o.signal != STOP:
				p.holder = o
				return p.hold()
			default:
				o.answer(p.noProcess())
			}
		}
	}
}

// rest waits before a restart, if that has to be.
func (p *pod) rest(ran time.Duration, proc *process) bool {
	d := p.pauses.after(ran)
	p.change(func(v *view) {
		v.status.Restarts++
		if d == 0 {
			return
		}
		v.status.Phase = BackOff
		v.fault = &model.Diagnostic{Origin: p.spec.Origin, Severity: model.Error, Code: model.CodeWorkloadFailed,
			Message: p.name + " keeps ending: " + v.status.Message + "; started again " + d.String() + " later; its output is in " + p.logName()}
	})
	if d == 0 {
		select {
		case <-p.end:
			return false
		default:
			return true
		}
	}
	return p.idle(d)
}

func (p *pod) logName() string {
	if l := p.view.status.Log; l != "" {
		return l
	}
	return "no file, for no directory for logs was named"
}

// hold is a pod stopped by hand, until it is started by hand. It is false when the pod has to go.
func (p *pod) hold() bool {
	p.pauses = backoff{first: p.r.cfg.Backoff}
	p.change(func(v *view) {
		v.status.Phase, v.status.Message, v.status.Ready, v.status.PID = Stopped, "stopped by hand; paifang start "+p.name, false, 0
		v.draining, v.fault, v.mapped = false, nil, nil
	})
	p.holder.answer(nil)
	for {
		select {
		case <-p.end:
			return false
		case o := <-p.orders:
			switch {
			case o.start:
				o.answer(nil)
				return true
			case o.hold && o.signal != STOP:
				o.answer(nil)
			default:
				o.answer(p.noProcess())
			}
		}
	}
}

// finish is a pod whose process ended and is not restarted (restartPolicy Never).
func (p *pod) finish(proc *process) bool {
	p.change(func(v *view) {
		v.status.Phase = Succeeded
		if proc.err != nil {
			v.status.Phase = Failed
			v.fault = &model.Diagnostic{Origin: p.spec.Origin, Severity: model.Error, Code: model.CodeWorkloadFailed,
				Message: p.name + " ended: " + v.status.Message}
		}
		v.at = nil
	})
	for {
		select {
		case <-p.end:
			return false
		case o := <-p.orders:
			if o.start {
				o.answer(nil)
				return true
			}
			o.answer(p.noProcess())
		}
	}
}
