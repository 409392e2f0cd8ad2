package kubernetes

import (
	"cmp"
	"log/slog"
	"net/netip"
	"time"

	"paifang/internal/source/kubernetes/translate"
)

// Options of a Source.
type Options struct {
	Client     *Client
	Namespaces []string // whose objects are read; empty: all
	// ServicesOnly says that Services and their addresses are read, and neither Ingresses nor what they name: whoever only looks for
	// addresses needs no right to read Secrets.
	ServicesOnly bool
	// NamespaceSelector has only namespaces with these labels read, as kubectl writes them, from when they have them to when they
	// do not. It counts where Namespaces is empty.
	NamespaceSelector string
	// Translate says which Ingresses are served and what they become. Its Source is set to Name, and Slices to true.
	Translate translate.Options
	Name      string // of the source; default "kubernetes"
	Publish   Publish
	External  External // Services of type ExternalName
	Events    bool     // verdicts and faults are written as Events on the objects they are about
	Lease     Lease    // who of several replicas writes
	// Patience is how long requests of a kind may fail before the source counts as failed. Until then a watch is taken up
	// where it ended, which costs the server nothing. Default 3 s.
	Patience time.Duration
	Log      *slog.Logger // default: nothing is logged
}

// Publish says which addresses are written into the status of Ingresses that are served. With none of these, none is.
type Publish struct {
	Service   string       // "namespace/name", whose addresses are taken: of its load balancer, else its external ones
	Addresses []netip.Addr // given ones; they win
	Nodes     NodeAddress  // of the Nodes that the pods of this controller run on; it counts where neither of the others is given
	Pods      string       // labels of these pods, in the namespace of the lease; default app.kubernetes.io/name=paifang
}

func (p Publish) enabled() bool {
	return p.Service != "" || len(p.Addresses) > 0 || p.Nodes != NodeNone
}

// Lease is the object by which replicas agree on who writes.
type Lease struct {
	Namespace string        // default that of the client
	Name      string        // default "paifang"
	Identity  string        // of this process; default its host name and something random
	Duration  time.Duration // a holder that is not heard of for so long has lost it; default 15 s
}

func (o Options) withDefaults() Options {
	o.Name = cmp.Or(o.Name, "kubernetes")
	o.Patience = cmp.Or(o.Patience, 3*time.Second)
	o.Translate.Source, o.Translate.Slices, o.Translate.Resolved = o.Name, true, !o.External.Off
	o.Lease.Namespace = cmp.Or(o.Lease.Namespace, o.Client.Namespace)
	o.Lease.Name = cmp.Or(o.Lease.Name, "paifang")
	o.Lease.Duration = cmp.Or(o.Lease.Duration, 15*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
