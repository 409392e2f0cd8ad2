package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// during runs something that may take long, and after a second says on a terminal that it does.
func (e Env) during(what string, f func() error) error {
	if !e.Progress {
		return f()
	}
	p := progress{out: e.Err, stop: make(chan struct{})}
	p.wg.Go(func() { p.run(what) })
	defer func() {
		close(p.stop)
		p.wg.Wait()
	}()
	return f()
}

type progress struct {
	out  io.Writer
	stop chan struct{}
	wg   sync.WaitGroup
}

func (p *progress) run(what string) {
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-tick.C:
			shown = true
			fmt.Fprintf(p.out, "\r%s, %d s …", what, int(time.Since(began)/time.Second))
		case <-p.stop:
			if shown {
				fmt.Fprint(p.out, "\r\x1b[K") // the line is taken away again
			}
			return
		}
	}
}
