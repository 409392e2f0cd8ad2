package podrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Signal is what can be sent to a pod by hand.
type Signal string

// The signals. Windows knows neither STOP nor CONT.
const (
	TERM Signal = "TERM"
	KILL Signal = "KILL"
	STOP Signal = "STOP"
	CONT Signal = "CONT"
)

// command is a program to start: everything is resolved.
type command struct {
	argv []string // argv[0] is an absolute path
	dir  string
	env  []string
}

// process is a started program with its process group. It lives until exited is closed.
type process struct {
	pid     int
	started time.Time
	group   group
	exited  chan struct{} // closed as soon as the program ended
	err     error         // how it ended; nil = status 0. Read it after exited
	ended   sync.WaitGroup
}

// spawner starts processes from one thread that lives as long as any of them. On Linux the parent-death signal comes
// when the thread that started a process ends, not its process (prctl(2), PR_SET_PDEATHSIG); the Go runtime may end
// threads of its own, but not one that a goroutine is locked to.
type spawner struct{ jobs chan func() }

func newSpawner() *spawner { return &spawner{jobs: make(chan func())} }

// run serves until ctx ends.
func (s *spawner) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-ctx.Done():
			return
		}
	}
}

// start starts a program in a process group of its own, with what it prints going to out, which may be nil. The
// spawner must be running.
func (s *spawner) start(c command, out *output) (*process, error) {
	if len(c.argv) == 0 {
		return nil, errors.New("podrun: start: no program")
	}
	cmd := &exec.Cmd{Path: c.argv[0], Args: c.argv, Dir: c.dir, Env: c.env, SysProcAttr: groupOfItsOwn()}
	p := &process{exited: make(chan struct{})}
	var reader, writer *os.File
	if out != nil {
		var err error
		if reader, writer, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("podrun: start %s: %w", c.argv[0], err)
		}
		cmd.Stdout, cmd.Stderr = writer, writer
	}
	result := make(chan error, 1)
	s.jobs <- func() { result <- cmd.Start() }
	err := <-result
	if writer != nil {
		_ = writer.Close()
	}
	if err != nil {
		if reader != nil {
			_ = reader.Close()
		}
		return nil, fmt.Errorf("podrun: start %s: %w", c.argv[0], err)
	}
	p.pid, p.started = cmd.Process.Pid, time.Now()
	p.group = ownGroup(cmd.Process)
	drained := make(chan struct{})
	if reader != nil {
		p.ended.Go(func() {
			defer close(drained)
			out.copy(reader)
		})
	} else {
		close(drained)
	}
	p.ended.Go(func() {
		p.err = cmd.Wait()
		// What the program left behind in its group ends with it, as it does in a container.
		_ = p.group.signal(KILL)
		p.group.release()
		close(p.exited)
		if reader == nil {
			return
		}
		select {
		case <-drained:
		case <-time.After(500 * time.Millisecond): // something that left the group holds the pipe
		}
		_ = reader.Close()
	})
	return p, nil
}

// signal sends a signal to the whole group.
func (p *process) signal(s Signal) error {
	select {
	case <-p.exited:
		return errors.New("podrun: the process has ended")
	default:
	}
	if err := p.group.signal(s); err != nil {
		return fmt.Errorf("podrun: send %s to process %d: %w", s, p.pid, err)
	}
	return nil
}

// wait returns once the program ended and all it printed is written.
func (p *process) wait() { p.ended.Wait() }

// how tells how the process ended, in a word or three.
func (p *process) how() string {
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return "exit status 0"
	case errors.As(p.err, &exit):
		return exit.Error()
	default:
		return p.err.Error()
	}
}

// runOnce runs a program to its end, for an exec probe. When ctx ends first it is killed.
func (s *spawner) runOnce(ctx context.Context, c command) error {
	p, err := s.start(c, nil)
	if err != nil {
		return err
	}
	defer p.wait()
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("%s: %s", c.argv[0], p.how())
		}
		return nil
	case <-ctx.Done():
		_ = p.group.signal(KILL)
		<-p.exited
		return fmt.Errorf("%s: no answer in time", c.argv[0])
	}
}

// known tells whether s is a signal.
func (s Signal) known() bool { return slices.Contains([]Signal{TERM, KILL, STOP, CONT}, s) }
