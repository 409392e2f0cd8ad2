package podrun

import (
	"net/netip"
	"slices"

	"paifang/internal/model"
)

// launch is a pod's program with all its addresses decided.
type launch struct {
	command command
	ip      netip.Addr
	ports   []PodPort
	mapped  bool // ports[0] is mapped from its address to another one
}

// process returns where the program listens for a containerPort.
func (l launch) process(port uint16) netip.AddrPort {
	for _, p := range l.ports {
		if p.Port == port {
			return listening(p)
		}
	}
	return netip.AddrPortFrom(l.ip, port)
}

func listening(p PodPort) netip.AddrPort {
	if p.Process.IsValid() {
		return p.Process
	}
	return p.Addr
}

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// prepare decides everything that a start needs. It is done anew for each start: a program may have come, a port gone.
func (p *pod) prepare() (launch, error) {
	c := p.spec.Container
	if p.node < 0 {
		var names []string
		for _, n := range p.r.cfg.Nodes {
			names = append(names, n.Name)
		}
		f := faultf(model.CodeInvalid, "there is no node %q: the nodes are %q", p.spec.Node, names)
		f.field = "spec.nodeName"
		return launch{}, f
	}
	argv, builtin, err := p.r.programs.find(c)
	if err != nil {
		return launch{}, err
	}
	ports := p.containerPorts()
	portEnv := c.PortEnv
	if builtin {
		portEnv = "PORT"
	}
	// Where every pod has 127.0.0.1 the given port is the pod's own address; else it is mapped, but for the programs of
	// this binary, which bind the pod's address.
	given := portEnv != "" && (p.r.cfg.Single || !builtin)
	if err := p.settleAddress(ports); err != nil {
		return launch{}, err
	}
	ip := p.ip()
	if given {
		if err := p.takeFreePort(); err != nil {
			return launch{}, err
		}
	}
	l := launch{ip: ip, mapped: given && !p.r.cfg.Single && len(ports) > 0}
	for i, port := range ports {
		pp := PodPort{Port: port, Addr: netip.AddrPortFrom(ip, port)}
		switch {
		case i == 0 && l.mapped:
			pp.Process = netip.AddrPortFrom(localhost, p.free)
		case i == 0 && given:
			pp.Addr = netip.AddrPortFrom(ip, p.free)
		}
		if host := p.hostPort(port); host != 0 {
			at := int(host) + p.r.cfg.HostPortOffset
			if at < 1 || at > 65535 {
				return launch{}, faultf(model.CodeInvalid, "hostPort %d would be %d, with what is added to every port: give another one", host, at)
			}
			pp.Host = netip.AddrPortFrom(p.nodeAddr(), uint16(at))
		}
		if err := bindable(listening(pp).Addr(), listening(pp).Port()); err != nil {
			return launch{}, faultf(model.CodeAddressTaken, "port %d of %s cannot be bound (%v): end what holds it, or name "+
				"the variable that the program takes its port from with the annotation paifang.dev/port-env", port, ip, err)
		}
		l.ports = append(l.ports, pp)
	}
	tell := p.free
	if builtin && !given && len(ports) > 0 {
		tell = ports[0]
	}
	env, err := newEnviron(p.r.mark, p.r.cfg.Env, c, p.self(), portEnv, tell)
	if err != nil {
		return launch{}, err
	}
	for i, w := range argv[1:] {
		argv[i+1] = expand(w, env.get)
	}
	l.command = command{argv: argv, dir: c.Dir, env: env.list()}
	return l, nil
}

// containerPorts are the declared ports, then those that are only served, then those that are only probed.
func (p *pod) containerPorts() []uint16 {
	var out []uint16
	add := func(port uint16) {
		if port != 0 && !slices.Contains(out, port) {
			out = append(out, port)
		}
	}
	c := p.spec.Container
	for _, port := range c.Ports {
		add(port.Port)
	}
	for _, s := range p.spec.Serves {
		add(s.Port)
	}
	for _, probe := range []*model.Probe{c.Startup, c.Readiness, c.Liveness} {
		if probe != nil && probe.Kind != model.ProbeExec && probe.Host == "" {
			add(probe.Port)
		}
	}
	return out
}

func (p *pod) hostPort(port uint16) uint16 {
	for _, c := range p.spec.Container.Ports {
		if c.Port == port && c.Host != 0 {
			return c.Host
		}
	}
	return 0
}

func (p *pod) nodeAddr() netip.Addr {
	if a := p.r.cfg.Nodes[p.node].Addr; a.IsValid() && !p.r.cfg.Single {
		return a
	}
	return localhost
}

func (p *pod) ip() netip.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view.status.IP
}

func (p *pod) self() self {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.view.status
	return self{name: p.name, namespace: p.spec.Namespace, node: s.Node, ip: s.IP, host: p.nodeAddr(), labels: p.labels}
}

// settleAddress gives the pod an address on which its ports are free, and which it keeps for life.
func (p *pod) settleAddress(ports []uint16) error {
	if p.ip().IsValid() {
		return nil
	}
	ip := localhost
	if !p.r.cfg.Single {
		var err error
		if ip, err = p.r.places.take(p.r.cfg.Nodes[p.node], ports); err != nil {
			return err
		}
	}
	p.change(func(v *view) { v.status.IP = ip })
	return nil
}

// takeFreePort keeps the port of the last start if it is still free.
func (p *pod) takeFreePort() error {
	if p.free != 0 {
		if free(p.free) == nil {
			return nil
		}
		p.r.places.giveBackPort(p.free)
		p.free = 0
	}
	port, err := p.r.places.freePort()
	p.free = port
	return err
}

// launch starts the program.
func (p *pod) launch(l launch) (*process, error) {
	if p.out == nil {
		s, _ := p.look()
		out, err := openOutput(s.Log, p.name, p.r.cfg.Output)
		if err != nil {
			return nil, err
		}
		p.out = out
	}
	proc, err := p.r.spawner.start(l.command, p.out)
	if err != nil {
		return nil, err
	}
	if err := p.r.ledger.add(proc.pid, p.name); err != nil {
		p.r.cfg.Log.Warn("a running pod cannot be remembered for the next start", "pod", p.name, "err", err)
	}
	at := map[uint16]netip.AddrPort{}
	for _, port := range l.ports {
		at[port.Port] = port.Addr
	}
	p.change(func(v *view) {
		v.status.Phase, v.status.PID, v.status.Started, v.status.Ports = Running, proc.pid, proc.started, l.ports
		v.status.Message, v.status.Ready, v.draining, v.at, v.mapped = "", false, false, at, nil
		if v.fault != nil && v.status.Restarts == 0 {
			v.fault = nil
		}
	})
	return proc, nil
}
