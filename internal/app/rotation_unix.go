//go:build unix

package app

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// reopenWithin bounds the wait for the disk when a signal asks for the access log to be opened again.
const reopenWithin = 10 * time.Second

// rotation opens the access log again whenever the process gets SIGUSR1, as nginx does. From the call on the signal is
// taken, with or without an access log: who rotates the logs of many processes must not end one. What is returned runs
// until its context ends.
func (a *App) rotation() func(context.Context) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	return func(ctx context.Context) error {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-signals:
			}
			within, cancel := context.WithTimeout(ctx, reopenWithin)
			_ = a.ReopenAccessLog(within) // it is logged, and in the diagnostics
			cancel()
		}
	}
}
