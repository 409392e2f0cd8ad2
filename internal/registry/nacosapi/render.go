package nacosapi

import (
	"fmt"
	"net/netip"
	"strings"

	"paifang/internal/model"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// filter is what a client wants to see of a service. Instances that were taken out by hand are never shown; those whose
// heartbeats stay out are, unless only the healthy are asked for.
type filter struct {
	clusters    string // comma separated; empty = all
	healthyOnly bool
	times       bool // with the times of heartbeats, as HTTP answers; clients that are pushed to read them from the metadata
}

// render writes a view. Where so few are healthy that the service's protect threshold is reached, all are shown as healthy.
func render(v *registry.View, f filter) *nacoswire.ServiceInfo {
	info := &nacoswire.ServiceInfo{
		Name:        v.Key.Service,
		GroupName:   v.Key.Group,
		Clusters:    f.clusters,
		CacheMillis: nacoswire.CacheMillis,
		Hosts:       make([]nacoswire.Instance, 0, len(v.Instances)),
		LastRefTime: v.LastRef,
		Valid:       true,
	}
	healthy, total := 0, 0
	for i := range v.Instances {
		if in := &v.Instances[i]; in.Enabled && f.has(in.Cluster) {
			total++
			if in.Healthy {
				healthy++
			}
		}
	}
	info.ReachProtectionThreshold = v.Protected(healthy, total)
	for i := range v.Instances {
		in := &v.Instances[i]
		if in.Enabled && f.has(in.Cluster) && (in.Healthy || !f.healthyOnly || info.ReachProtectionThreshold) {
			one := renderInstance(v.Key, in)
			one.Healthy = one.Healthy || info.ReachProtectionThreshold
			if f.times {
				setTimes(&one, in)
			}
			info.Hosts = append(info.Hosts, one)
		}
	}
	return info
}

func (f filter) has(cluster string) bool {
	if f.clusters == "" {
		return true
	}
	for c := range strings.SplitSeq(f.clusters, ",") {
		if strings.TrimSpace(c) == cluster {
			return true
		}
	}
	return false
}

func renderInstance(key registry.Key, in *registry.Instance) nacoswire.Instance {
	ip, port := in.Addr.Addr().String(), int(in.Addr.Port())
	out := nacoswire.Instance{
		InstanceID:  nacoswire.InstanceID(ip, port, in.Cluster, key.Group, key.Service),
		IP:          ip,
		Port:        port,
		Weight:      in.Weight,
		Healthy:     in.Healthy,
		Enabled:     in.Enabled,
		Ephemeral:   in.Ephemeral,
		ClusterName: in.Cluster,
		ServiceName: nacoswire.GroupedName(key.Group, key.Service),
	}
	out.Metadata = metadata(in.Metadata)
	return out
}

// The metadata that say how the ID of an instance is made, and what counts where they do not (PreservedMetadataKeys of Nacos).
const (
	metaGenerator  = "preserved.instance.id.generator"
	usualGenerator = "simple"
)

// setTimes adds what Nacos reads from the metadata of an instance wherever it writes one over HTTP.
func setTimes(out *nacoswire.Instance, in *registry.Instance) {
	interval, unhealthy, remove := in.Times()
	out.HeartBeatInterval, out.HeartBeatTimeout, out.IPDeleteTimeout = interval.Milliseconds(), unhealthy.Milliseconds(), remove.Milliseconds()
	out.IDGenerator = usualGenerator
	if v, ok := in.Metadata.Get(metaGenerator); ok {
		out.IDGenerator = v
	}
}

// renderFull is an instance as HTTP shows one.
func renderFull(key registry.Key, in *registry.Instance) nacoswire.Instance {
	out := renderInstance(key, in)
	setTimes(&out, in)
	return out
}

func metadata(t model.Tags) nacoswire.Metadata {
	if len(t) == 0 {
		return nil
	}
	out := make(nacoswire.Metadata, len(t))
	for _, tag := range t {
		out[tag.Name] = tag.Value
	}
	return out
}

// parseInstance reads an instance of a request.
func parseInstance(in nacoswire.Instance) (registry.Instance, error) {
	addr, err := parseAddr(in.IP, in.Port)
	return registry.Instance{
		Addr:      addr,
		Cluster:   in.ClusterName,
		Weight:    in.Weight,
		Enabled:   in.Enabled,
		Healthy:   in.Healthy,
		Ephemeral: in.Ephemeral,
		Metadata:  model.NewTags(in.Metadata),
	}, err
}

// parseAddr takes IP addresses only: a name would be looked up by every reader of the list, each with its own result.
func parseAddr(ip string, port int) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil || len(ip) > 64 {
		return netip.AddrPort{}, fmt.Errorf("nacosapi: ip %.64q: want an IP address: %w", ip, registry.ErrInvalid)
	}
	if port < 1 || port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("nacosapi: port %d: want 1 to 65535: %w", port, registry.ErrInvalid)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

// serviceKey takes the names of a request with their defaults.
func serviceKey(namespace, group, service string) registry.Key {
	group, service = nacoswire.SplitName(group, service)
	return registry.Key{Namespace: nacoswire.NonEmpty(namespace, nacoswire.PublicNamespace), Group: group, Service: service}
}

// page cuts one page out of a list; pages count from 1, one past the end is empty.
func page(names []string, no, size int) []string {
	if no < 1 || size < 1 || no-1 > len(names)/size {
		return []string{}
	}
	from := (no - 1) * size
	return names[min(from, len(names)):min(from+min(size, len(names)), len(names))]
}
