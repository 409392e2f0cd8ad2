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

// reopenOnSignal opens the access log again whenever the process gets SIGUSR1, as nginx does. Without an access log the
// signal is taken all the same: who rotates many processes must not end one.
func (a *App) reopenOnSignal(ctx context.Context) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
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
