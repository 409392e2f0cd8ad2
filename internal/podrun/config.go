package podrun

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Node is a machine that pods are said to run on.
type Node struct {
	Name  string
	Range netip.Prefix // its pods' addresses, given out from the second one up
	Addr  netip.Addr   // its own address, where hostPorts are mapped
}

// Config is what a Runner works with. Only Nodes is required.
type Config struct {
	Nodes []Node
	// Run names a command line for an image that has no program of its own here, as --run IMAGE=COMMAND does. An image
	// is looked up as written, then without its tag or digest. A relative first word with a slash is relative to the
	// directory that this process was started in.
	Run map[string]string
	// Builtin names the program of images that come with this binary, in the form of Run's keys.
	Builtin map[string][]string
	// Attach names a process that already runs as the one pod of a Deployment, by its name or namespace/name.
	Attach map[string]netip.AddrPort
	Env    map[string]string // further variables of every pod; the container's own win
	Logs   string            // directory for what pods print; it is made if it is missing. Empty: their output is dropped
	State  string            // directory that remembers the running processes for the next start. Empty: nothing is remembered
	// Single puts every pod on 127.0.0.1, for machines that have no other loopback address. A container that names a
	// port variable, and a built-in one (variable PORT), gets a free port; others keep their containerPort.
	Single bool
	// HostPortOffset is added to every hostPort: a second runner on this machine maps them elsewhere.
	HostPortOffset int
	// Output is given what pods print, line by line, without the line's end. It is called from several goroutines at
	// once. It must not keep line.
	Output func(pod string, line []byte)
	// Changed is called with a pod each time its phase, readiness or message changes, one call at a time and in order
	// for each pod. It must not block.
	Changed func(PodStatus)
	Log     *slog.Logger
	// Backoff is the pause before the second restart of a pod; the first has none. It doubles to 30 times itself and
	// is forgotten after 60 times itself of running: 10 s, 5 min and 10 min, as in Kubernetes, by default.
	Backoff time.Duration
	// StopWithin bounds the grace period of pods at shutdown. Default 8 s.
	StopWithin time.Duration
}

// complete fills in defaults and finds what cannot work.
func (c *Config) complete() error {
	if len(c.Nodes) == 0 {
		return errors.New("podrun: no nodes: name at least one")
	}
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		switch {
		case n.Name == "" || seen[n.Name]:
			return fmt.Errorf("podrun: node %q: needs a name of its own", n.Name)
		case !c.Single && (!n.Range.IsValid() || n.Range.Addr().BitLen()-n.Range.Bits() < 2):
			return fmt.Errorf("podrun: node %s: range %s: needs a prefix with room for at least one pod, such as 127.1.1.0/24", n.Name, n.Range)
		}
		seen[n.Name] = true
	}
	for image, line := range c.Run {
		if _, err := splitWords(line); err != nil {
			return fmt.Errorf("podrun: run %s=%s: %w", image, line, err)
		}
	}
	if c.Backoff <= 0 {
		c.Backoff = 10 * time.Second
	}
	if c.StopWithin <= 0 {
		c.StopWithin = 8 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}
