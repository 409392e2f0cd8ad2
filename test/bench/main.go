// Command bench measures the product beside nginx, HAProxy and Caddy, on this machine and in one run, and prints ratios.
//
// The proxy under test has one worker on one core; the load and the upstream have the other. Contenders take turns in
// every round, so that a machine that slows down slows all of them, and what is compared is the median of the ratios of
// the rounds. CPU per request is user and system time of the proxy's own processes, over the requests that were answered
// as they should be: a run with an error or a wrong status is no result.
//
// Every contender writes an access log to a file, keeps connections to the upstream, and has its timeouts armed.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if done, err := second(os.Args[1:]); done {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var o options
	list := flag.Bool("list", false, "name the rows and end")
	rows := flag.String("rows", "", "rows to measure, separated by commas; all if empty")
	flag.IntVar(&o.rounds, "rounds", 5, "how often every contender is measured")
	flag.DurationVar(&o.length, "seconds", 3*time.Second, "length of one measurement")
	flag.StringVar(&o.binary, "paifang", "", "the binary to measure; built if empty")
	flag.StringVar(&o.out, "out", "", "file to write the table to, as Markdown: between its marks, or a new one")
	flag.BoolVar(&o.verbose, "v", false, "print every measurement")
	flag.StringVar(&o.congestion, "congestion", "cubic", "congestion control of the network namespace that is made for the run; none: the machine's own network")
	flag.Parse()
	if *list {
		for _, r := range allRows() {
			fmt.Printf("%-14s %s\n", r.name, r.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *rows); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// second is what this program does where a row has started it once more: it is the upstream, or a load. done is false in the
// first one.
func second(args []string) (done bool, _ error) {
	if len(args) == 0 {
		return false, nil
	}
	switch args[0] {
	case responderCommand:
		return true, respond(args[1:])
	case handshakerCommand:
		return true, handshake(args[1:])
	}
	return false, nil
}

type options struct {
	rounds  int
	length  time.Duration
	binary  string
	out     string
	verbose bool

	spring     error  // why there is no Spring Cloud Gateway to measure
	congestion string // "none": the run has no network of its own
}

func run(ctx context.Context, o options, names string) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	if o.out != "" {
		if _, _, err := around(o.out); err != nil { // before all is measured
			return err
		}
	}
	if err := findPrograms(); err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, func(r row) bool { return r.name == springRow }) {
		o.spring = buildSpring(ctx) // as long as there is a network to get its libraries from
	}
	if err := isolate(&o); err != nil {
		return err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer b.close()
	done, err := measureAll(ctx, b, chosen)
	if err != nil {
		return err
	}
	text := table(machine(b.binary, o.congestion), done)
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	return replaceTable(o.out, text)
}

// measureAll is the results of rows. The error is that of a run which was interrupted.
func measureAll(ctx context.Context, b *bench, rows []row) (done []result, _ error) {
	for _, r := range rows {
		began := time.Now()
		fmt.Fprintf(os.Stderr, "%-14s %s\n", r.name, r.what)
		got, err := r.measure(ctx, b)
		switch {
		case ctx.Err() != nil: // and err, which may be nil, is of that
			return nil, fmt.Errorf("row %s: %w", r.name, cmp.Or(err, ctx.Err()))
		case err != nil:
			fmt.Fprintf(os.Stderr, "%-14s no result: %v\n", r.name, err)
			got = []result{{what: r.what, missing: err}}
		}
		for i := range got {
			got[i].row = r.name
		}
		done = append(done, got...)
		fmt.Fprintf(os.Stderr, "%-14s took %.0f s\n", "", time.Since(began).Seconds())
	}
	return done, nil
}

// choose returns the rows with these names, all for none.
func choose(names string) ([]row, error) {
	all := allRows()
	if names == "" {
		return all, nil
	}
	var out []row
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, r := range all {
			if r.name == name {
				out, found = append(out, r), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no row %q; -list names them", name)
		}
	}
	return out, nil
}
