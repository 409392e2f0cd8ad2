package registry

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
)

// Instance is one address of a service.
type Instance struct {
	Addr      netip.AddrPort
	Cluster   string     // a label; "DEFAULT" where none was given
	Weight    float64    // share of the traffic, 0 to 10,000; 1 is usual, 0 is none
	Enabled   bool       // false: taken out by hand
	Healthy   bool       // false: its heartbeats stay out, or its client said so
	Ephemeral bool       // lives by heartbeats or a connection; otherwise it is stored and asked by the registry how it is
	Metadata  model.Tags // the client's labels
	Since     time.Time  // when it joined; set by the registry

	Unconfirmed bool // known from before a restart, and not heard of since; set by the registry
	Protected   bool // called healthy because too few are, so that it may not be; set by what reads a registry elsewhere
}

// defaultCluster is that of instances which name none.
const defaultCluster = "DEFAULT"

// Heartbeat times, and the metadata that changes them for one instance (PreservedMetadataKeys of Nacos).
const (
	DefaultInterval  = 5 * time.Second
	DefaultUnhealthy = 15 * time.Second
	DefaultDelete    = 30 * time.Second

	metaInterval  = "preserved.heart.beat.interval" // all in milliseconds
	metaUnhealthy = "preserved.heart.beat.timeout"
	metaDelete    = "preserved.ip.delete.timeout"

	minLease = 100 * time.Millisecond
	maxLease = 24 * time.Hour
)

// lease is how long an instance is believed without a heartbeat.
type lease struct {
	interval  time.Duration // asked of the client
	unhealthy time.Duration
	remove    time.Duration
}

func (in *Instance) lease(usual lease) lease {
	return lease{
		millis(in.Metadata, metaInterval, usual.interval),
		millis(in.Metadata, metaUnhealthy, usual.unhealthy),
		millis(in.Metadata, metaDelete, usual.remove),
	}
}

// checkTimes refuses metadata by which an instance would be taken for dead between two of its heartbeats, in the words of a Nacos server. What
// it does not name counts as it does there, whatever this registry's own times are: clients check the same before they register.
func checkTimes(t model.Tags) error {
	l := (&Instance{Metadata: t}).lease(lease{DefaultInterval, DefaultUnhealthy, DefaultDelete})
	if l.unhealthy < l.interval || l.remove < l.interval {
		return fmt.Errorf("registry: Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout', have %s, %s and %s: %w",
			l.interval, l.unhealthy, l.remove, ErrInvalid)
	}
	return nil
}

// Times are how often an instance sends heartbeats and how long after the last one it is unhealthy, and gone, by its metadata. What they do not
// name is as Nacos has it.
func (in *Instance) Times() (interval, unhealthy, remove time.Duration) {
	l := in.lease(lease{DefaultInterval, DefaultUnhealthy, DefaultDelete})
	return l.interval, l.unhealthy, l.remove
}

// millis reads a time from metadata. What is no number counts as absent, as it does for Nacos; what is too short or too
// long is brought into range.
func millis(t model.Tags, name string, usual time.Duration) time.Duration {
	v, ok := t.Get(name)
	if !ok {
		return usual
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n <= 0 {
		return usual
	}
	return min(max(time.Duration(min(n, maxLease.Milliseconds()))*time.Millisecond, minLease), maxLease)
}

const maxWeight = 10_000 // Constants.MAX_WEIGHT_VALUE of Nacos

// check brings an instance into its plain form or tells what is wrong with it.
func (r *Registry) check(in Instance) (Instance, error) {
	var err error
	if in.Addr, err = r.opt.Addresses.Check(in.Addr); err != nil {
		return in, err
	}
	if in.Cluster == "" {
		in.Cluster = defaultCluster
	}
	if err := checkName("cluster", in.Cluster, maxCluster, "-"); err != nil {
		return in, err
	}
	if err := checkWeight(in.Weight); err != nil {
		return in, err
	}
	if err := r.checkMetadata(in.Metadata); err != nil {
		return in, err
	}
	return in, checkTimes(in.Metadata)
}

func checkWeight(w float64) error {
	if math.IsNaN(w) || w < 0 || w > maxWeight {
		return fmt.Errorf("registry: weight %v: want 0 to %d: %w", w, maxWeight, ErrInvalid)
	}
	return nil
}

func (r *Registry) checkMetadata(t model.Tags) error {
	size := 0
	for _, tag := range t {
		size += len(tag.Name) + len(tag.Value)
	}
	if size > r.opt.MaxMetadata {
		return fmt.Errorf("registry: metadata has %d bytes, at most %d are allowed: %w", size, r.opt.MaxMetadata, ErrInvalid)
	}
	return nil
}

// slot is where an instance stands in the view: of several publications of one slot the newest counts.
type slot struct {
	addr    netip.AddrPort
	cluster string
}

func (in *Instance) slot() slot { return slot{in.Addr, in.Cluster} }

// Endpoint is the instance as the gateway uses it. Unhealthy and disabled ones are listed, and never chosen; metadata
// secure=true means TLS, as Spring Cloud Alibaba has it.
func (in *Instance) Endpoint() model.Endpoint {
	e := model.Endpoint{Addr: in.Addr, Weight: weight(in.Weight), Since: in.Since, Zone: in.zone(), Cluster: in.Cluster, Tags: in.Metadata}
	switch {
	case !in.Enabled:
		e.State = model.Disabled
	case !in.Healthy:
		e.State = model.Unhealthy
	case in.Protected:
		e.State = model.LastResort
	}
	if v, _ := in.Metadata.Get("secure"); strings.EqualFold(v, "true") {
		e.Secure = true
	}
	return e
}

// Offered tells whether the instance was not registered by itself but by somebody who knows it from elsewhere (model.TagFrom).
func (in *Instance) Offered() bool {
	_, ok := in.Metadata.Get(model.TagFrom)
	return ok
}

// zone is where the instance runs, as far as preferences go: its metadata, as Spring Cloud has it, or else its cluster, as Nacos
// has it, unless that is the one which everybody is in.
func (in *Instance) zone() string {
	if z, ok := in.Metadata.Get("zone"); ok {
		return z
	}
	if in.Cluster == defaultCluster {
		return ""
	}
	return in.Cluster
}

// weight turns a share into thousandths; the smallest share that is not none is one of them.
func weight(w float64) model.Weight {
	switch thousandths := math.Round(w * 1000); {
	case w <= 0 || math.IsNaN(w):
		return model.WeightNone
	case thousandths == 1000:
		return 0 // the default
	default:
		return model.Weight(min(max(thousandths, 1), maxWeight*1000))
	}
}
