package bed

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a program that runs until it is killed. Its output is in Log.
type Process struct {
	// Name is what it is called in messages, Log the file with what it says.
	Name, Log string

	netns string // the network namespace; none: that of the test
	args  []string
	cmd   *exec.Cmd
	done  chan struct{}
}

// Start starts the program, again where it was killed.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("bed: start %s: %w", p.Name, err)
	}
	defer func() { _ = log.Close() }()
	args := p.args
	if p.netns != "" {
		args = append(inside(p.netns), args...)
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("bed: start %s: %w", p.Name, err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}(p.cmd, p.done)
	return nil
}

// Kill ends the program with SIGKILL and waits for its end.
func (p *Process) Kill() { p.end(syscall.SIGKILL, time.Minute) }

// Stop asks the program to end with SIGTERM, and kills it after a while. It tells whether it ended by itself.
func (p *Process) Stop(within time.Duration) bool { return p.end(syscall.SIGTERM, within) }

func (p *Process) end(signal syscall.Signal, within time.Duration) bool {
	if p.cmd == nil || !p.Alive() {
		return true
	}
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
		return true
	case <-time.After(within):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return false
}

// PID is the process id of the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Alive tells whether the program runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return p.cmd != nil
	}
}

// Said returns the end of what the program has said.
func (p *Process) Said() string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	const most = 8 << 10
	if len(b) > most {
		b = b[bytes.IndexByte(b[len(b)-most:], '\n')+1+len(b)-most:]
	}
	return string(b)
}

// inside is the command that runs another in a network namespace. `ip netns exec` would mount /sys anew, without the control
// groups.
func inside(netns string) []string {
	return []string{"nsenter", "--net=" + filepath.Join("/run/netns", netns), "--"}
}

// run runs a command to its end.
func run(within time.Duration, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("bed: run %s: %w", name, err)
	}
	timer := time.AfterFunc(within, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("bed: run %s %q: %w: %s", name, args, err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

// until polls a condition.
func until(within time.Duration, what string, holds func() error) error {
	deadline := time.Now().Add(within)
	for {
		err := holds()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("bed: %s: not within %v: %w", what, within, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
