package up

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"paifang/internal/app"
	"paifang/internal/registry/auth"
)

// settle is how long up waits for its example to answer before it prints the table all the same.
const settle = 2500 * time.Millisecond

// Run does what `paifang up` does, from the checks to the last line, until ctx ends. It returns nil after an orderly
// end. What people read goes to out.
func (p *Plan) Run(ctx context.Context, out io.Writer) error {
	if p.PrintConfig {
		return p.printConfig(out)
	}
	if err := p.alreadyRunning(ctx); err != nil {
		return err
	}
	if err := p.CheckPorts(ctx); err != nil {
		return err
	}
	if err := p.Prepare(); err != nil {
		return err
	}
	if p.Actuator != "" {
		if _, err := auth.SecretFile(p.Actuator); err != nil {
			return fmt.Errorf("up: --actuator: %w", err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("up: find this program: %w", err)
	}
	o := app.Options{Name: "up", Self: exe, Log: out, Dir: p.Paths[0], Tell: true}
	if p.Logs {
		o.PodOutput = podOutput(out)
	}
	if p.Split {
		return p.runSplit(ctx, out, o)
	}
	return p.runApp(ctx, out, o, func(*app.App) {})
}

// printConfig prints the configuration that would run, for `paifang serve`, with what it names in its place, which is the
// state directory and the built-in example. A state that somebody uses stays theirs.
func (p *Plan) printConfig(out io.Writer) error {
	if err := p.place(); err != nil {
		return err
	}
	text, err := p.Config.Print()
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// runApp runs everything in this process.
func (p *Plan) runApp(ctx context.Context, out io.Writer, o app.Options, made func(*app.App)) error {
	a, err := app.New(p.Config, o)
	if err != nil {
		return err
	}
	made(a)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var runErr error
	wg.Go(func() {
		defer cancel()
		runErr = a.Run(ctx)
	})
	err = p.tell(ctx, out, a)
	if err != nil {
		cancel()
	}
	wg.Wait()
	return errors.Join(err, runErr)
}

// tell prints the table once everything answers, and from then on a line per change.
func (p *Plan) tell(ctx context.Context, out io.Writer, a *app.App) error {
	fmt.Fprintf(out, "paifang up: reading %s\n\n", p.Paths[0])
	ready, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	_ = a.WaitSettled(ready) // the table tells as well what is not there yet
	if ctx.Err() != nil {
		return nil
	}
	a.DropEvents() // what happened so far is in the table
	if err := p.PrintTable(out); err != nil {
		return err
	}
	example := newSteps(a.Reader(), p.Paths[0])
	if p.Dir == "" {
		example.wait(ready, out, stepsFirst)
	}
	for _, line := range a.Troubles() {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out, "Ctrl-C ends it. Changes:")
	again := time.NewTicker(stepsEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if p.Dir != "" || example.tell(ctx, out) {
				again.Stop()
			}
		case <-ctx.Done():
			fmt.Fprintln(out, "ending: the gateway deregisters, requests in flight finish, pods stop (Ctrl-C again ends at once)")
			return nil
		case e := <-a.Events():
			fmt.Fprintf(out, "%s %s\n", e.Time.Format("15:04:05.000"), e.Text)
		}
	}
}

// podOutput prefixes what pods print with their name, a line at a time.
func podOutput(out io.Writer) func(pod string, line []byte) {
	var mu sync.Mutex
	return func(pod string, line []byte) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "%s | %s\n", pod, line)
	}
}
