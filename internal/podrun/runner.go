package podrun

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Runner makes what runs equal to what the workloads of the snapshot ask for. One goroutine decides; each pod has
// one of its own that lives its life. A pod tells the owner that something changed and the owner looks at everything:
// what is decided depends on how things stand, never on what happened in which order.
type Runner struct {
	cfg      Config
	mark     string // of all processes of this Runner
	programs programs
	places   *addresses
	spawner  *spawner
	feed     *feed
	ledger   *ledger

	wake    chan struct{} // something changed
	closing chan struct{} // closed at shutdown: grace periods are bounded from now on
	hurry   chan struct{} // closed by KillAll: there are no grace periods any more
	hurried sync.Once
	telling sync.Mutex // held while Config.Changed is called

	mu        sync.Mutex
	wanted    []model.Workload
	ahead     []model.Workload // of a generation that is being prepared, where pods serve more lists in it
	committed bool
	pods      []*pod          // replaced whole, never changed in place
	waiting   []chan struct{} // closed once the addresses as they are now are in force

	// Of the owner alone:
	pass  map[model.WorkloadID]map[string]bool // names that are not given again before the rollout is over
	born  int
	lives sync.WaitGroup
}

// New returns a runner that has not started.
func New(cfg Config) (*Runner, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Runner{
		cfg: cfg, mark: rand.Text(), programs: programs{run: cfg.Run, builtin: cfg.Builtin}, places: newAddresses(), spawner: newSpawner(),
		feed: newFeed(), wake: make(chan struct{}, 1), closing: make(chan struct{}), hurry: make(chan struct{}),
		pass: map[model.WorkloadID]map[string]bool{},
	}, nil
}

// Source tells the addresses of the pods. It says nothing before the first generation was committed.
func (r *Runner) Source() source.Source { return r.feed }

// Run runs the pods until ctx ends, then ends them: SIGTERM, at most Config.StopWithin, SIGKILL. It returns when no
// process is left. It is called once.
func (r *Runner) Run(ctx context.Context) error {
	l, ended, err := openLedger(r.cfg.State, r.mark)
	if err != nil {
		return err
	}
	r.ledger = l
	defer l.close()
	if len(ended) > 0 {
		r.cfg.Log.Info("ended pods that the last start left behind", "pods", strings.Join(ended, " "))
	}
	hold, release := context.WithCancel(context.Background())
	var threads sync.WaitGroup
	threads.Go(func() { r.spawner.run(hold) })
	defer threads.Wait()
	defer release()

	stop, over := ctx.Done(), false
	for {
		select {
		case <-r.wake:
		case <-stop:
			stop, over = nil, true
			close(r.closing)
		}
		if r.reconcile(over) == 0 && over {
			r.lives.Wait()
			return nil
		}
	}
}

// KillAll ends every process at once, without its grace period. It is for somebody who asked twice.
func (r *Runner) KillAll() { r.hurried.Do(func() { close(r.hurry) }) }

// poke has the owner look.
func (r *Runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Runner) members() []*pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods
}

// announce returns a channel that is closed once the addresses as they are now are in force.
func (r *Runner) announce() <-chan struct{} {
	done := make(chan struct{})
	r.mu.Lock()
	r.waiting = append(r.waiting, done)
	r.mu.Unlock()
	r.poke()
	return done
}

// reconcile takes one step towards what is wanted and returns how many pods there are.
func (r *Runner) reconcile(over bool) int {
	r.mu.Lock()
	wanted, ahead, committed, waiting := r.wanted, r.ahead, r.committed, r.waiting
	r.waiting = nil
	pods := slices.DeleteFunc(slices.Clone(r.pods), (*pod).gone)
	r.mu.Unlock()
	if over {
		wanted = nil
	}
	asked := map[model.WorkloadID]bool{}
	for i := range wanted {
		asked[wanted[i].ID] = true
		pods = r.settle(&wanted[i], pods)
	}
	for _, p := range pods {
		if !asked[p.spec.ID] {
			p.tellToEnd()
		}
	}
	for id := range r.pass {
		if !asked[id] {
			delete(r.pass, id)
		}
	}
	r.mu.Lock()
	r.pods = pods
	r.mu.Unlock()
	if committed {
		sets := lists(wanted, pods)
		joining(sets, ahead, pods)
		sortSets(sets)
		r.feed.set(sets, waiting)
	} else {
		closeAll(waiting)
	}
	return len(pods)
}

// settle takes one step towards what one workload asks for.
func (r *Runner) settle(w *model.Workload, pods []*pod) []*pod {
	var mine []*pod
	var members []member
	leaving := false
	attached, isAttached := r.attached(w)
	for _, p := range pods {
		if p.spec.ID != w.ID {
			continue
		}
		if p.ending {
			leaving = true
			continue
		}
		current := p.spec.Template == w.Template && p.attached == attached
		if current {
			p.relabel(w.Labels)
			p.serves = w.Serves
		} else {
			p.keep(w.Serves)
			leaving = true
		}
		status, _ := p.look()
		mine = append(mine, p)
		members = append(members, member{current: current, ready: status.Ready, age: p.born})
	}
	if !leaving {
		delete(r.pass, w.ID) // no rollout: letters are free again
	}
	ask := want{w.Replicas, w.Surge, w.Unavailable}
	once := w.Single || isAttached // a name, or a process, that cannot be there twice: the old one goes first
	if once {
		ask = want{replicas: min(1, w.Replicas), unavailable: 1}
	}
	add, end := plan(ask, members)
	for _, i := range end {
		r.passName(w.ID, mine[i])
		mine[i].tellToEnd()
	}
	if once && anyLives(pods, w.ID) {
		return pods
	}
	for range add {
		p := r.bear(w, pods, attached)
		if p == nil {
			break
		}
		pods = append(pods, p)
		r.lives.Go(p.live)
	}
	return pods
}

// anyLives tells whether a pod of a workload is still there, told to end or not.
func anyLives(pods []*pod, id model.WorkloadID) bool {
	return slices.ContainsFunc(pods, func(p *pod) bool { return p.spec.ID == id })
}

func (r *Runner) passName(id model.WorkloadID, p *pod) {
	if p.spec.Single {
		return
	}
	if r.pass[id] == nil {
		r.pass[id] = map[string]bool{}
	}
	r.pass[id][p.name] = true
}

func (r *Runner) attached(w *model.Workload) (at netip.AddrPort, ok bool) {
	if at, ok = r.cfg.Attach[w.Namespace+"/"+w.Name]; !ok {
		at, ok = r.cfg.Attach[w.Name]
	}
	return at, ok
}

// bear makes a pod, which does not live yet. It is nil as long as the name it must have is taken.
func (r *Runner) bear(w *model.Workload, pods []*pod, attached netip.AddrPort) *pod {
	name := w.Name
	taken := func(n string) bool {
		return r.pass[w.ID][n] || slices.ContainsFunc(pods, func(p *pod) bool { return p.name == n && p.spec.Namespace == w.Namespace })
	}
	if w.Single {
		if taken(name) {
			return nil
		}
	} else {
		for n := 0; ; n++ {
			if name = w.Name + "-" + letters(n); !taken(name) {
				break
			}
		}
	}
	r.born++
	p := newPod(r, *w, name, attached, r.born)
	p.node = r.place(w, pods)
	if p.node < 0 {
		p.view.status.Node = w.Node
	} else {
		p.view.status.Node = r.cfg.Nodes[p.node].Name
	}
	return p
}

// place returns the index of a pod's node: the one it names, or the emptier one, where pods that a rollout is about to
// take away do not count; -1 if there is no such node. A node whose hostPort another pod has is the last choice.
func (r *Runner) place(w *model.Workload, pods []*pod) int {
	if w.Node != "" {
		return slices.IndexFunc(r.cfg.Nodes, func(n Node) bool { return n.Name == w.Node })
	}
	type room struct{ clash, pods, node int }
	rooms := make([]room, len(r.cfg.Nodes))
	for i := range rooms {
		rooms[i].node = i
	}
	for _, p := range pods {
		if p.node < 0 {
			continue
		}
		if p.usesHostPort(w.Container.Ports) {
			rooms[p.node].clash = 1
		}
		if !p.ending && (p.spec.ID != w.ID || p.spec.Template == w.Template) {
			rooms[p.node].pods++
		}
	}
	return slices.MinFunc(rooms, func(a, b room) int {
		return cmp.Or(a.clash-b.clash, a.pods-b.pods, a.node-b.node)
	}).node
}

// lists are the endpoint sets of all lists that workloads serve; one whose workloads have no pods is empty.
func lists(wanted []model.Workload, pods []*pod) map[model.EndpointsID]model.EndpointSet {
	out := map[model.EndpointsID]model.EndpointSet{}
	for _, w := range wanted {
		for _, s := range w.Serves {
			out[s.List] = newSet(s.List)
		}
	}
	for _, p := range pods {
		for _, s := range p.serves {
			e, ok := p.endpoint(s.Port)
			if !ok {
				continue
			}
			set, ok := out[s.List]
			if !ok { // its workload is gone, and it is ending
				set = newSet(s.List)
			}
			set.Endpoints = append(set.Endpoints, e)
			out[s.List] = set
		}
	}
	return out
}

// joining adds the pods that run to the lists that they serve in the next generation and not in this one.
func joining(sets map[model.EndpointsID]model.EndpointSet, ahead []model.Workload, pods []*pod) {
	for _, w := range ahead {
		for _, p := range pods {
			if p.spec.ID != w.ID || p.spec.Template != w.Template || p.ending {
				continue
			}
			for _, s := range more(p.serves, w.Serves) {
				e, ok := p.endpoint(s.Port)
				if !ok {
					continue
				}
				set, ok := sets[s.List]
				if !ok {
					set = newSet(s.List)
				}
				set.Endpoints = append(set.Endpoints, e)
				sets[s.List] = set
			}
		}
	}
}

// more is what is served in next and not before.
func more(before, next []model.Serves) (out []model.Serves) {
	for _, s := range next {
		if !slices.ContainsFunc(before, func(b model.Serves) bool { return b.List == s.List }) {
			out = append(out, s)
		}
	}
	return out
}

func sortSets(sets map[model.EndpointsID]model.EndpointSet) {
	for _, set := range sets {
		slices.SortFunc(set.Endpoints, func(a, b model.Endpoint) int {
			return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Name, b.Name))
		})
	}
}

func newSet(id model.EndpointsID) model.EndpointSet {
	return model.EndpointSet{List: id, Origin: model.Origin{Source: "podrun", Kind: "pods", Name: id.Name}}
}

// tell calls the hook and has the owner look.
func (r *Runner) tell(s PodStatus) {
	r.cfg.Log.LogAttrs(context.Background(), slog.LevelDebug, "pod changed", slog.String("pod", s.Name), slog.String("phase", string(s.Phase)),
		slog.Bool("ready", s.Ready), slog.String("message", s.Message))
	if r.cfg.Changed != nil {
		r.cfg.Changed(s)
	}
}
