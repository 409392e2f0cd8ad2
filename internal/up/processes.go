package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/app"
)

// processes runs pieces as processes. Each holds the reading end of a pipe as its standard input, so that it ends when
// up does, however that ended.
type processes struct {
	self  string
	dir   string // for their configurations and logs
	shown string // directory that files are shown relative to
	all   []*process

	mu    sync.Mutex
	ended func(name, how string)
}

type process struct {
	name   string
	config string // path of its file
	log    string // path of what it says

	cmd    *exec.Cmd // nil: not running
	life   io.Closer // ends it when closed
	done   chan struct{}
	frozen bool
	told   bool // its end is expected
}

func newProcesses(self, dir, shown string) *processes {
	return &processes{self: self, dir: dir, shown: shown, ended: func(string, string) {}}
}

// tell has f told of every process that ends by itself.
func (p *processes) tell(f func(name, how string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = f
}

// add writes the configuration of a piece.
func (p *processes) add(name string, c app.Config) error {
	text, err := c.Print()
	if err != nil {
		return err
	}
	x := &process{name: name, config: filepath.Join(p.dir, name+".yaml"), log: filepath.Join(p.dir, name+".log")}
	if err := os.WriteFile(x.config, text, 0o600); err != nil {
		return fmt.Errorf("up: configuration of %s: %w", name, err)
	}
	p.all = append(p.all, x)
	return nil
}

// Pieces implements adminapi.Actions.
func (p *processes) Pieces() []string {
	var out []string
	for _, x := range p.all {
		out = append(out, x.name)
	}
	return out
}

func (p *processes) find(name string) (*process, error) {
	for _, x := range p.all {
		if x.name == name {
			return x, nil
		}
	}
	return nil, fmt.Errorf("there is no piece %q", name)
}

// start starts a piece that does not run.
func (p *processes) start(name string) error {
	x, err := p.find(name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if x.cmd != nil {
		return fmt.Errorf("%s runs already", name)
	}
	log, err := os.OpenFile(x.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("up: log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd := exec.Command(p.self, "serve", "--config", x.config, "--name", name, "--dir", p.shown, "--until-eof")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	life, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("up: start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("up: start %s: %w", name, err)
	}
	x.cmd, x.life, x.done, x.frozen, x.told = cmd, life, make(chan struct{}), false, false
	go p.wait(x, cmd, x.done)
	return nil
}

// wait reaps a process. It ends with the process, which ends with the pipe.
func (p *processes) wait(x *process, cmd *exec.Cmd, done chan<- struct{}) {
	err := cmd.Wait()
	p.mu.Lock()
	told, ended := x.told, p.ended
	x.cmd = nil
	p.mu.Unlock()
	close(done)
	if !told {
		how := "by itself"
		if err != nil {
			how = err.Error()
		}
		ended(x.name, how+" (its log: "+x.log+")")
	}
}

// Act implements adminapi.Actions.
func (p *processes) Act(ctx context.Context, name string, verb adminapi.Verb, signal adminapi.Signal) error {
	x, err := p.find(name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	cmd, done, frozen := x.cmd, x.done, x.frozen
	p.mu.Unlock()
	if verb == adminapi.Start {
		if frozen && cmd != nil {
			return p.thaw(x, cmd)
		}
		return p.start(name)
	}
	if cmd == nil {
		return fmt.Errorf("%s is stopped already", name)
	}
	if signal == adminapi.STOP {
		p.mu.Lock()
		x.frozen = true
		p.mu.Unlock()
		return freeze(cmd.Process)
	}
	p.mu.Lock()
	x.told = true
	life := x.life
	p.mu.Unlock()
	switch {
	case signal == adminapi.KILL || frozen:
		err = cmd.Process.Kill()
	default:
		err = life.Close() // it drains, as at SIGTERM
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: it has not ended yet: %w", name, ctx.Err())
	}
}

func (p *processes) thaw(x *process, cmd *exec.Cmd) error {
	p.mu.Lock()
	x.frozen = false
	p.mu.Unlock()
	return thaw(cmd.Process)
}

// endWithin is how long pieces may take to end before they are killed.
const endWithin = 5 * time.Second

// end ends pieces, those that run, all at the same time.
func (p *processes) end(names ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	var wg sync.WaitGroup
	for _, x := range p.all {
		p.mu.Lock()
		running := x.cmd != nil
		p.mu.Unlock()
		if !running || !slices.Contains(names, x.name) {
			continue
		}
		wg.Go(func() {
			if p.Act(ctx, x.name, adminapi.Stop, adminapi.TERM) != nil {
				_ = p.Act(context.Background(), x.name, adminapi.Stop, adminapi.KILL)
			}
		})
	}
	wg.Wait()
}

var _ adminapi.Actions = (*processes)(nil)
