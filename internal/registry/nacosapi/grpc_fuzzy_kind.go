package nacosapi

import (
	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
)

// watchServices begins or ends a fuzzy watch of services.
func (s *Server) watchServices(c *caller, q nacoswire.FuzzyWatchRequest) (*nacoswire.Payload, error) {
	x := c.x
	x.mu.Lock()
	if x.names == nil {
		x.names = x.registry.WatchNames()
	}
	out, news, err := x.services.watch(q, c.id)
	x.mu.Unlock()
	if news {
		x.rouse()
	}
	return out, err
}

// watchConfigs begins or ends a fuzzy watch of configurations.
func (s *Server) watchConfigs(c *caller, q nacoswire.FuzzyWatchRequest) (*nacoswire.Payload, error) {
	store, err := s.configStore()
	if err != nil {
		return nil, err
	}
	x := c.x
	x.mu.Lock()
	if x.allConfigs == nil {
		x.allConfigs = store.WatchAll()
	}
	out, news, err := x.contents.watch(q, c.id)
	x.mu.Unlock()
	if news {
		x.rouse()
	}
	return out, err
}

// fuzzyServices are services as fuzzy watches see them.
type fuzzyServices struct{ r *registry.Registry }

func (f fuzzyServices) match(p nacoswire.FuzzyPattern, k registry.Key) bool {
	return p.Match(k.Namespace, k.Group, k.Service)
}

func (f fuzzyServices) among(p nacoswire.FuzzyPattern) (out []registry.Key) {
	for _, k := range f.r.Keys() {
		if f.match(p, k) {
			out = append(out, k)
		}
	}
	return out
}

func (f fuzzyServices) there(k registry.Key) bool { return f.r.Has(k) }

func (f fuzzyServices) parse(s string) (registry.Key, bool) {
	namespace, group, service, ok := nacoswire.ParseServiceKey(s)
	return registry.Key{Namespace: namespace, Group: group, Service: service}, ok
}

func (f fuzzyServices) some(q nacoswire.Request, syncType, pattern string, keys []registry.Key) (*nacoswire.Payload, error) {
	m := nacoswire.FuzzySyncRequest{Request: q, SyncType: syncType, Pattern: pattern, Contexts: []nacoswire.FuzzyService{}, TotalBatch: 1, CurrentBatch: 1}
	for _, k := range keys {
		m.Contexts = append(m.Contexts, nacoswire.FuzzyService{ServiceKey: nacoswire.ServiceKey(k.Namespace, k.Group, k.Service), ChangedType: nacoswire.ServiceAdded})
	}
	return nacoswire.NewPayload(nacoswire.TypeFuzzySync, m)
}

func (f fuzzyServices) one(q nacoswire.Request, k registry.Key, there bool) (*nacoswire.Payload, error) {
	m := nacoswire.FuzzyChangeRequest{Request: q, SyncType: nacoswire.FuzzyChange, FuzzyService: nacoswire.FuzzyService{
		ServiceKey: nacoswire.ServiceKey(k.Namespace, k.Group, k.Service), ChangedType: nacoswire.ServiceDeleted,
	}}
	if there {
		m.ChangedType = nacoswire.ServiceAdded
	}
	return nacoswire.NewPayload(nacoswire.TypeFuzzyChange, m)
}

// fuzzyConfigs are configurations as fuzzy watches see them. Without a store none is asked for.
type fuzzyConfigs struct{ s *config.Store }

func (f fuzzyConfigs) match(p nacoswire.FuzzyPattern, id config.ID) bool {
	return p.Match(id.Namespace, id.Group, id.Name)
}

func (f fuzzyConfigs) among(p nacoswire.FuzzyPattern) (out []config.ID) {
	for _, item := range f.s.List(p.Namespace) {
		if f.match(p, item.ID) {
			out = append(out, item.ID)
		}
	}
	return out
}

func (f fuzzyConfigs) there(id config.ID) bool { return f.s.MD5(id) != "" }

func (f fuzzyConfigs) parse(s string) (config.ID, bool) {
	namespace, group, name, ok := nacoswire.ParseConfigKey(s)
	return config.ID{Namespace: namespace, Group: group, Name: name}, ok
}

func (f fuzzyConfigs) some(q nacoswire.Request, syncType, pattern string, ids []config.ID) (*nacoswire.Payload, error) {
	m := nacoswire.ConfigFuzzySyncRequest{Request: q, SyncType: syncType, Pattern: pattern, Contexts: []nacoswire.FuzzyConfig{}, TotalBatch: 1, CurrentBatch: 1}
	for _, id := range ids {
		m.Contexts = append(m.Contexts, nacoswire.FuzzyConfig{ConfigKey: nacoswire.ConfigKey(id.Namespace, id.Group, id.Name), ChangedType: nacoswire.ConfigAdded})
	}
	return nacoswire.NewPayload(nacoswire.TypeConfigFuzzySync, m)
}

func (f fuzzyConfigs) one(q nacoswire.Request, id config.ID, there bool) (*nacoswire.Payload, error) {
	m := nacoswire.ConfigFuzzyChangeRequest{Request: q, ConfigKey: nacoswire.ConfigKey(id.Namespace, id.Group, id.Name), ChangeType: nacoswire.ConfigDeleted}
	if there {
		m.ChangeType = nacoswire.ConfigAdded
	}
	return nacoswire.NewPayload(nacoswire.TypeConfigFuzzyChange, m)
}
