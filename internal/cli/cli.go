// Package cli is the commands that talk to a running process, or read files as one would: get, explain, check, import,
// stop, start and version. They print what adminapi and explain say, as tables that line up, JSON or YAML.
//
// Exit codes: 0 all is well, 1 errors were found or a request failed, 2 the command was not understood.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"paifang/internal/adminapi"
	"paifang/internal/model"
)

// DefaultAdmin is where the admin API is unless --admin or PAIFANG_ADMIN says otherwise.
const DefaultAdmin = "127.0.0.1:8088"

// Env is what commands work with.
type Env struct {
	Out, Err io.Writer
	// Columns of the terminal behind Out; 0 = it is none.
	Columns int
	// Color tells whether Out is a terminal that may be coloured, Progress whether Err is one that shows progress.
	Color, Progress bool
	Version         string
	// Offline reads files in place of a running process.
	Offline func(ctx context.Context, paths []string) (Offline, error)
	// Report is Offline that reads classes of other controllers as ours: those named, or else those of ingress-nginx where no
	// configuration is among the files. Of Spring's files those for these profiles count; for none, those that they make active themselves.
	Report func(ctx context.Context, paths, adopt, profiles []string) (Offline, error)
	// FromCluster reads a live cluster, and files beside it.
	FromCluster func(ctx context.Context, from Cluster, paths []string) (Offline, error)
	// Import turns the files of a Spring application into documents of our own.
	Import func(ctx context.Context, in Import) (Imported, error)
}

// Offline is files, compiled.
type Offline struct {
	Reader      adminapi.Reader
	Explainer   adminapi.Explainer
	Diagnostics []model.Diagnostic
}

// System is the Env of a process: its standard output and error, with colours and progress where these are terminals and
// NO_COLOR is not set (https://no-color.org).
func System(version string, offline func(ctx context.Context, paths []string) (Offline, error)) Env {
	e := Env{Out: os.Stdout, Err: os.Stderr, Version: version, Offline: offline}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) {
		if columns, _, err := term.GetSize(fd); err == nil {
			e.Columns = columns
		}
		e.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	e.Progress = term.IsTerminal(int(os.Stderr.Fd()))
	return e
}

// Commands returns the commands, to be added to the root command.
func Commands(e Env) []*cobra.Command {
	all := []*cobra.Command{getCommand(e), explainCommand(e), checkCommand(e), importCommand(e), actCommand(e, adminapi.Stop), actCommand(e, adminapi.Start), versionCommand(e)}
	for _, c := range all {
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
		c.SetOut(e.Out)
		c.SetErr(e.Err)
	}
	return all
}

// usageError is a command line that is not understood.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Usage marks an error as a command line that is not understood: exit code 2. nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// errFound says that what was asked for was printed, and that it is not well.
var errFound = errors.New("errors were found")

// ExitCode is the exit code for the error of a command.
func ExitCode(err error) int {
	var u usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &u):
		return 2
	default:
		return 1
	}
}

// Report prints the error of a command to w, unless the command has said it all.
func Report(w io.Writer, err error) {
	if err == nil || errors.Is(err, errFound) {
		return
	}
	var u usageError
	if errors.As(err, &u) {
		fmt.Fprintf(w, "%v (--help shows how)\n", err)
		return
	}
	fmt.Fprintln(w, err)
}

func exactly(n int, what string) cobra.PositionalArgs { return Between(n, n, what) }

// Between checks the number of arguments; what says which ones are wanted, for the error.
func Between(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage("want %s", what)
		}
		return nil
	}
}

// adminFlag adds --admin.
func adminFlag(c *cobra.Command) *string {
	address := os.Getenv("PAIFANG_ADMIN")
	if address == "" {
		address = DefaultAdmin
	}
	return c.Flags().String("admin", address, "address:port of the admin API; PAIFANG_ADMIN sets the default")
}

func versionCommand(e Env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(e.Out, "paifang %s (%s, %s/%s)\n", e.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
