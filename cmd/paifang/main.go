// Command paifang is both roads from a domain to a pod in one program. README.md says how to begin.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"paifang/internal/app"
	"paifang/internal/cli"
)

func main() {
	// Libraries print to the default logs of Go, past the form of ours, and net/http bytes of others' answers among it. What matters of
	// that is told where it happens: every part has the logger that it was handed.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx, stop := untilSignal()
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		cli.Report(os.Stderr, err)
	}
	os.Exit(cli.ExitCode(err))
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "paifang",
		Short: "Both roads from a domain to a pod: DNS, load balancer, ingress, gateway, registry, in one program",
		Long: "Both roads from a domain to a pod in one program.\n\n" +
			"Start with `paifang up`: it runs everything on this machine and prints what to try.",
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = ": did you mean " + strings.Join(near, " or ") + "?"
		}
		return cli.Usage(fmt.Errorf("there is no command %q%s", args[0], hint))
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Usage(err) })
	c.AddCommand(upCommand(), serveCommand(), exampleCommand())
	env := cli.System(app.Version(), offline)
	env.FromCluster, env.Report = fromCluster, report
	env.Import = imported
	c.AddCommand(cli.Commands(env)...)
	return c
}

// together is the time within which signals count as one: who ends a process group may reach us twice.
const together = 200 * time.Millisecond

// untilSignal returns a context that ends with the first SIGINT, SIGTERM or SIGHUP. A second one ends the process at
// once.
func untilSignal() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				if !first.IsZero() {
					if time.Since(first) < together {
						continue
					}
					fmt.Fprintln(os.Stderr, "paifang: ended at once")
					os.Exit(130)
				}
				first = time.Now()
				cancel(errors.New(s.String()))
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
