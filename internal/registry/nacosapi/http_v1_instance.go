package nacosapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"

	"paifang/internal/model"
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// routeV1Instance serves /v1/ns/instance (InstanceController of the Nacos server): instances that live by heartbeats.
func (s *Server) routeV1Instance(mux *http.ServeMux) {
	const path = "/v1/ns/instance"
	s.handle(mux, "POST", path, v1Register)
	s.handle(mux, "DELETE", path, v1Deregister)
	s.handle(mux, "PUT", path, v1Update)
	s.handle(mux, "PATCH", path, v1Update)
	s.handle(mux, "GET", path, v1Instance)
	s.handle(mux, "PUT", path+"/beat", v1Beat)
	s.handle(mux, "GET", path+"/list", v1List)
}

// form reads the parameters that name an instance.
func (c call) form() (nacoswire.Form, registry.Key, netip.AddrPort, error) {
	f, err := nacoswire.ParseForm(c.q)
	if err != nil {
		return f, registry.Key{}, netip.AddrPort{}, invalid(err)
	}
	key := registry.Key{Namespace: f.Namespace, Group: f.Group, Service: f.Service}
	if err := key.Validate(); err != nil {
		return f, key, netip.AddrPort{}, err
	}
	addr, err := parseAddr(f.Instance.IP, f.Instance.Port)
	return f, key, addr, err
}

func v1Register(c call) error {
	f, key, _, err := c.form()
	if err != nil {
		return err
	}
	in, err := parseInstance(f.Instance)
	if err != nil {
		return err
	}
	if err := c.Register(key, in); err != nil {
		return err
	}
	return c.ok()
}

// v1Deregister answers ok also when there is nothing to take away.
func v1Deregister(c call) error {
	_, key, addr, err := c.form()
	if err != nil {
		return err
	}
	if _, err := c.Deregister(key, addr); err != nil {
		return err
	}
	return c.ok()
}

// v1Update changes what the parameters name and leaves the rest. (Nacos sets what is not named to its default.)
func v1Update(c call) error {
	f, key, addr, err := c.form()
	if err != nil {
		return err
	}
	var patch registry.Patch
	if f.Given.Weight {
		patch.Weight = &f.Instance.Weight
	}
	if f.Given.Enabled {
		patch.Enabled = &f.Instance.Enabled
	}
	if f.Given.Metadata {
		if patch.Metadata = model.NewTags(f.Instance.Metadata); patch.Metadata == nil {
			patch.Metadata = model.Tags{}
		}
	}
	if err := c.Update(key, addr, f.Instance.ClusterName, patch); err != nil {
		return err
	}
	return c.ok()
}

// instanceDetail is the answer of GET /v1/ns/instance.
type instanceDetail struct {
	Service     string             `json:"service"`
	IP          string             `json:"ip"`
	Port        int                `json:"port"`
	ClusterName string             `json:"clusterName"`
	Weight      float64            `json:"weight"`
	Healthy     bool               `json:"healthy"`
	InstanceID  string             `json:"instanceId"`
	Metadata    nacoswire.Metadata `json:"metadata"`
}

func v1Instance(c call) error {
	f, key, addr, err := c.form()
	if err != nil {
		return err
	}
	v := c.View(key)
	for i := range v.Instances {
		if in := &v.Instances[i]; in.Addr == addr && in.Cluster == f.Instance.ClusterName {
			out := renderInstance(key, in)
			return answer(c, instanceDetail{
				out.ServiceName, out.IP, out.Port, out.ClusterName, out.Weight, out.Healthy, out.InstanceID, out.Metadata,
			})
		}
	}
	return fmt.Errorf("nacosapi: no instance %s in cluster %s of %s: %w", addr, f.Instance.ClusterName, key, registry.ErrUnknown)
}

// v1Beat takes a light heartbeat, which names the instance, or a full one, which also registers it where it is not
// known. To a light one for an unknown instance the answer tells the client to register.
func v1Beat(c call) error {
	key, err := c.service()
	if err != nil {
		return err
	}
	var full bool
	beat := nacoswire.Beat{IP: c.q.Get("ip"), Cluster: c.q.Get("clusterName")}
	if text := c.q.Get("beat"); text != "" {
		full = true
		if beat, err = nacoswire.ParseBeat(text); err != nil {
			return invalid(err)
		}
	} else if beat.Port, err = strconv.Atoi(c.q.Get("port")); err != nil {
		return invalid(fmt.Errorf("Param 'port' is required and must be a number, not %q", c.q.Get("port"))) //nolint:staticcheck // the wording clients know
	}
	addr, err := parseAddr(beat.IP, beat.Port)
	if err != nil {
		return err
	}
	next, known, err := c.Beat(key, addr)
	if err != nil {
		return err
	}
	if !known && full {
		in := nacoswire.NewInstance(beat.IP, beat.Port)
		in.ClusterName, in.Weight, in.Metadata = beat.Cluster, beat.Weight, beat.Metadata
		instance, err := parseInstance(in)
		if err != nil {
			return err
		}
		if err := c.Register(key, instance); err != nil {
			return err
		}
		if next, known, err = c.Beat(key, addr); err != nil {
			return err
		}
	}
	out := nacoswire.BeatAnswer{Interval: next.Milliseconds(), Code: nacoswire.BeatOK, LightBeat: true}
	if !known {
		out.Code = nacoswire.BeatUnknown
	}
	return answer(c, out)
}

// v1List answers with the grouped name, as v1 does. With the parameter udpPort a client subscribes to pushes for a while; it
// comes again before that ends.
func v1List(c call) error {
	key, err := c.service()
	if err != nil {
		return err
	}
	healthy, _ := strconv.ParseBool(c.q.Get("healthyOnly"))
	clusters := c.q.Get("clusters")
	if port, _ := strconv.ParseUint(c.q.Get("udpPort"), 10, 16); port > 0 {
		if from, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
			c.server.udp.subscribe(c.Registry, udpKey{netip.AddrPortFrom(from.Addr().Unmap(), uint16(port)), key, clusters}, healthy)
		}
	}
	info := render(c.View(key), filter{clusters: clusters, healthyOnly: healthy})
	info.Name = nacoswire.GroupedName(key.Group, key.Service)
	return answer(c, info)
}
