package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paifang/internal/adminapi"
	"paifang/internal/app"
	"paifang/internal/cli"
	"paifang/internal/example"
	"paifang/internal/source/springgw"
	"paifang/internal/up"
)

func upCommand() *cobra.Command {
	var o up.Options
	var run, attach []string
	c := &cobra.Command{
		Use:   "up [DIR]",
		Short: "Run both roads on this machine: DNS, SLB, two ingress nodes, gateway, registry, pods as processes",
		Long: "Runs everything embedded on this machine. DIR holds Kubernetes manifests and Spring Cloud Gateway routes and is watched;\n" +
			"without it the built-in example runs. Needs no root and no other program.",
		Args: cli.Between(0, 1, "one directory at most: up [DIR]"),
	}
	f := c.Flags()
	f.StringVar(&o.State, "state", "", "directory for state (default: one of the user's, printed at start)")
	f.BoolVar(&o.Fresh, "fresh", false, "empty the state directory first")
	f.StringVar(&o.Addresses, "addresses", "auto", "auto, many (an address per piece, 127.0.0.10 and so on) or single (ports of 127.0.0.1)")
	f.IntVar(&o.PortOffset, "port-offset", 0, "added to every port")
	f.StringVar(&o.GatewayHost, "gateway-host", "", "the gateway's own name in DNS (default gateway.test, or gateway. and what --zone says)")
	f.StringVar(&o.Zone, "zone", "test", "zone that the DNS answers for")
	f.StringArrayVar(&run, "run", nil, "IMAGE=COMMAND: what to run for an image; repeat it")
	f.StringArrayVar(&attach, "attach", nil, "DEPLOYMENT=IP:PORT: take a process that already runs as its one pod; repeat it")
	f.BoolVar(&o.Logs, "logs", false, "show what the pods print")
	f.BoolVar(&o.Split, "split", false, "run SLB, each node, gateway, registry and DNS as processes of their own")
	f.StringVar(&o.Traces, "traces", "", "who takes the spans of traces by OTLP, such as 127.0.0.1:4317 or http://127.0.0.1:4318: requests are traced")
	f.StringVar(&o.Actuator, "actuator", "", "file with a token, made where there is none: routes are listed, added and taken away at /actuator/gateway of the admin API")
	f.BoolVar(&o.PrintConfig, "print-config", false, "print the configuration that would run, and end")
	f.StringVar(&o.LogLevel, "log-level", "error", "debug, info, warn or error")
	at := map[string]*string{}
	for _, p := range up.Places() {
		at[p.Flag] = f.String(p.Flag, "", fmt.Sprintf("IP:PORT of %s (default %s)", p.Says, p.Default))
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			o.Dir = args[0]
		}
		o.At = map[string]string{}
		for name, text := range at {
			if *text != "" {
				o.At[name] = *text
			}
		}
		var err error
		if o.Programs, err = pairs("run", "IMAGE=COMMAND", run); err != nil {
			return err
		}
		if o.Attach, err = pairs("attach", "DEPLOYMENT=IP:PORT", attach); err != nil {
			return err
		}
		p, err := up.NewPlan(o)
		if err != nil {
			return err
		}
		return p.Run(c.Context(), c.OutOrStdout())
	}
	return c
}

// pairs reads flags of the form NAME=VALUE; form is how the flag calls them.
func pairs(flag, form string, all []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range all {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return nil, cli.Usage(fmt.Errorf("--%s %q: want %s", flag, text, form))
		}
		out[name] = value
	}
	return out, nil
}

func serveCommand() *cobra.Command {
	var file, name, dir string
	var untilEOF bool
	c := &cobra.Command{
		Use:   "serve -c FILE",
		Short: "Run the roles and sources that a configuration file switches on",
		Long: "Runs the roles and sources that FILE switches on, until it is told to end. docs/configuration.md has every key;\n" +
			"`paifang up --print-config` prints a complete one, `paifang check FILE` tests it.",
		Args: cli.Between(0, 0, "no arguments: serve -c FILE"),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return cli.Usage(errors.New("serve: give the configuration with -c FILE; `paifang up --print-config` prints one to begin with"))
			}
			cfg, err := app.ReadConfig(file)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("serve: find this program: %w", err)
			}
			a, err := app.New(cfg, app.Options{Name: name, Self: self, Log: c.ErrOrStderr(), Dir: dir})
			if err != nil {
				return err
			}
			ctx := c.Context()
			if untilEOF {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
				go func() { // ends with the process: nothing else reads standard input
					_, _ = io.Copy(io.Discard, c.InOrStdin())
					cancel()
				}()
			}
			return a.Run(ctx)
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "configuration file")
	c.Flags().StringVar(&name, "name", "serve", "name of this process in listings")
	c.Flags().StringVar(&dir, "dir", "", "files below it are shown relative to it")
	c.Flags().BoolVar(&untilEOF, "until-eof", false, "end when standard input ends: for a process that must not outlive the one that started it")
	return c
}

func exampleCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "example order",
		Short:     "Run the application of the built-in example, as its pods do",
		Args:      cli.Between(1, 1, "what to run: example order"),
		ValidArgs: []string{"order"},
		Hidden:    true,
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != "order" {
				return cli.Usage(fmt.Errorf("example: %q: there is only order", args[0]))
			}
			return example.Run(c.Context(), os.Getenv, c.OutOrStdout())
		},
	}
}

// offline reads files as `paifang up` would: manifests and routes beside the pieces that up runs. A file that is a
// configuration of `paifang serve` is read as that.
func offline(ctx context.Context, paths []string) (cli.Offline, error) {
	cfg, _, err := offlineConfig(paths)
	if err != nil {
		return cli.Offline{}, err
	}
	return compiledOf(ctx, cfg, paths, app.Adopt{})
}

// report is offline with the classes of other controllers that are read as ours, and the profiles that count.
func report(ctx context.Context, paths, adopt, profiles []string) (cli.Offline, error) {
	cfg, given, err := offlineConfig(paths)
	if err != nil {
		return cli.Offline{}, err
	}
	withActive(&cfg, profiles)
	return compiledOf(ctx, cfg, paths, app.Adopt{Names: adopt, Nginx: len(adopt) == 0 && !given})
}

func compiledOf(ctx context.Context, cfg app.Config, paths []string, adopt app.Adopt) (cli.Offline, error) {
	for _, path := range paths {
		if err := hasYAML(path); err != nil {
			return cli.Offline{}, err
		}
	}
	compiled, err := app.Offline(ctx, cfg, adopt)
	if err != nil {
		return cli.Offline{}, err
	}
	return view(compiled, paths), nil
}

// fromCluster reads a live cluster once, with files beside it.
func fromCluster(ctx context.Context, from cli.Cluster, paths []string) (cli.Offline, error) {
	cfg, _, err := offlineConfig(paths)
	if err != nil {
		return cli.Offline{}, err
	}
	withActive(&cfg, from.Profiles)
	k := app.Kubernetes{}
	if cfg.Sources.Kubernetes != nil {
		k = *cfg.Sources.Kubernetes
	}
	k.Kubeconfig, k.Context = cmp.Or(from.Kubeconfig, k.Kubeconfig), cmp.Or(from.Context, k.Context)
	if len(from.Namespaces) > 0 {
		k.Namespaces = from.Namespaces
	}
	if len(from.Adopt) > 0 {
		k.Adopt = from.Adopt
	}
	cfg.Sources.Kubernetes = &k
	compiled, err := app.FromCluster(ctx, cfg)
	if err != nil {
		return cli.Offline{}, err
	}
	return view(compiled, paths), nil
}

// imported turns the files of a Spring application into documents of our own.
func imported(ctx context.Context, in cli.Import) (cli.Imported, error) {
	cfg := app.Config{Registry: &app.Registry{}}
	if in.Config != "" {
		var err error
		if cfg, err = app.ReadConfig(in.Config); err != nil {
			return cli.Imported{}, err
		}
	}
	cfg.Sources.Routes = in.Paths
	withActive(&cfg, in.Profiles)
	text, out, err := app.Import(ctx, cfg, in.Nacos)
	if err == nil && in.Source != "" {
		var java []springgw.Finding
		var read springgw.JavaRead
		java, read, err = springgw.Java(in.Source, cfg.Sources.Spring.KeyResolvers)
		out.Java = &read
		out.Findings = append(out.Findings, java...)
	}
	return cli.Imported{Documents: text, Imported: out}, err
}

// view shows what was compiled.
func view(compiled app.Compiled, paths []string) cli.Offline {
	dir := ""
	if len(paths) == 1 {
		dir = paths[0]
	}
	local := &adminapi.Local{Name: "files", Version: app.Version(), Started: time.Now(), Dir: dir, Generations: compiled, Traces: compiled.Traces()}
	return cli.Offline{Reader: local, Explainer: local, Diagnostics: compiled.Load().Diagnostics()}
}

// hasYAML is an error for a path that is not there, and for a directory without anything to read: who names the wrong
// one must not be told that all is well.
func hasYAML(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return pathError(err)
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return pathError(err)
	}
	for _, f := range files {
		switch filepath.Ext(f.Name()) {
		case ".yaml", ".yml", ".json", ".properties":
			return nil
		}
	}
	return fmt.Errorf("%s: there is no YAML file (.yaml, .yml, .json) in it, and none of properties (.properties); sub-directories are not read", path)
}

// pathError says which path, and what of it, without the name of the system call.
func pathError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Path, p.Err)
	}
	return err
}

// offlineConfig is what paths are compiled with: the configuration that is among them, which takes the others in as
// sources of its own, or that of `paifang up`.
func offlineConfig(paths []string) (_ app.Config, given bool, _ error) {
	var cfg app.Config
	var file string
	var others []string
	for _, path := range paths {
		c, ok, err := app.ReadIfConfig(path)
		switch {
		case err != nil:
			return app.Config{}, false, err
		case !ok:
			others = append(others, path)
		case file != "":
			return app.Config{}, false, fmt.Errorf("%s and %s are configurations of two processes: give one at a time", file, path)
		default:
			cfg, file = c, path
		}
	}
	if file == "" {
		p, err := up.NewPlan(up.Options{})
		if err != nil {
			return app.Config{}, false, err
		}
		cfg = p.Config
		cfg.Sources.Manifests, cfg.Sources.Routes = nil, nil
	}
	manifests := slices.DeleteFunc(slices.Clone(others), func(path string) bool { return filepath.Ext(path) == ".properties" }) // which hold routes alone, and are no YAML
	cfg.Sources.Manifests = withPaths(cfg.Sources.Manifests, manifests)
	cfg.Sources.Routes = withPaths(cfg.Sources.Routes, others)
	return cfg, file != "", nil
}

// withActive makes profiles those that are active, if there are any.
func withActive(cfg *app.Config, profiles []string) {
	if len(profiles) > 0 {
		cfg.Sources.Spring.Profiles = profiles
	}
}

// withPaths adds paths to those that are read already, each once.
func withPaths(paths, more []string) []string {
	seen := map[string]bool{}
	whole := func(path string) string {
		if abs, err := filepath.Abs(path); err == nil {
			return abs
		}
		return path
	}
	for _, path := range paths {
		seen[whole(path)] = true
	}
	for _, path := range more {
		if !seen[whole(path)] {
			paths = append(paths, path)
		}
	}
	return paths
}
