package nacosapi

import (
	"fmt"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// Bounds of fuzzy watches, those of Nacos.
const (
	maxPatterns = 20  // of one connection
	maxMatches  = 500 // services that one pattern tells of
	fuzzyBatch  = 10  // services in one message
)

// fuzzyWatch tells a client which services match a pattern: those that are there, that these were all, and every one that
// comes or goes. The session's mutex guards it.
type fuzzyWatch struct {
	pattern nacoswire.FuzzyPattern
	first   string                    // syncType of what is there at the beginning; empty when that is done
	told    map[registry.Key]bool     // services that the client knows of
	open    map[registry.Key]struct{} // services about which it may be wrong
	sending []registry.Key            // in the message on its way
}

// watchFuzzy begins a watch, or begins it again.
func (x *session) watchFuzzy(q nacoswire.FuzzyWatchRequest, id string) (*nacoswire.Payload, error) {
	p, err := nacoswire.ParseFuzzyPattern(q.Pattern)
	if err != nil {
		return nil, invalid(err)
	}
	switch q.WatchType {
	case nacoswire.FuzzyCancel:
		x.mu.Lock()
		defer x.mu.Unlock()
		delete(x.fuzzy, q.Pattern)
		x.fuzzies.remove(q.Pattern)
		return nacoswire.NewPayload(nacoswire.TypeFuzzyWatchAnswer, nacoswire.OK(id))
	case nacoswire.FuzzyWatch:
	default:
		return nil, fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.WatchType, registry.ErrInvalid)
	}
	w := &fuzzyWatch{pattern: p, first: nacoswire.FuzzyDiff, told: map[registry.Key]bool{}, open: map[registry.Key]struct{}{}}
	if q.Initializing {
		w.first = nacoswire.FuzzyInit
	}
	for _, s := range q.Received[:min(len(q.Received), maxMatches)] {
		if ns, group, service, ok := nacoswire.ParseServiceKey(s); ok {
			key := registry.Key{Namespace: ns, Group: group, Service: service}
			w.told[key], w.open[key] = true, struct{}{}
		}
	}
	x.mu.Lock()
	if x.fuzzy[q.Pattern] == nil && len(x.fuzzy) >= maxPatterns {
		x.mu.Unlock()
		return refuse(id, nacoswire.ErrorFuzzyPatterns, "fuzzy watch pattern over limit")
	}
	if x.everything == nil {
		x.everything = x.registry.WatchAll()
	}
	matches := 0
	for _, key := range x.registry.Keys() {
		if p.Match(key.Namespace, key.Group, key.Service) {
			if matches++; matches <= maxMatches {
				w.open[key] = struct{}{}
			}
		}
	}
	x.fuzzy[q.Pattern] = w
	x.fuzzies.remove(q.Pattern)
	x.fuzzies.add(q.Pattern, time.Time{})
	x.mu.Unlock()
	x.rouse()
	if matches > maxMatches {
		return nacoswire.NewPayload(nacoswire.TypeFuzzyWatchAnswer,
			nacoswire.Fail(id, nacoswire.ErrorFuzzyMatches, "fuzzy watch pattern matched count over limit"))
	}
	return nacoswire.NewPayload(nacoswire.TypeFuzzyWatchAnswer, nacoswire.OK(id))
}

// mayHaveComeOrGone takes services that have changed in any way.
func (x *session) mayHaveComeOrGone(keys []registry.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, w := range x.fuzzy {
		for _, key := range keys {
			if !w.pattern.Match(key.Namespace, key.Group, key.Service) || len(w.told) >= maxMatches && !w.told[key] {
				continue
			}
			if w.told[key] == x.registry.View(key).Known {
				continue // the usual case: its instances changed
			}
			w.open[key] = struct{}{}
			x.fuzzies.changed(name)
		}
	}
}

// tellFuzzy makes the next message of a watch; nil: there is nothing to tell. The mutex is held.
func (x *session) tellFuzzy(name, id string) (string, any) {
	w := x.fuzzy[name]
	if w == nil {
		return "", nil
	}
	head := nacoswire.Request{RequestID: id, Module: nacoswire.ModuleNaming}
	sync := nacoswire.FuzzySyncRequest{Request: head, SyncType: w.first, Pattern: name, Contexts: []nacoswire.FuzzyService{}, TotalBatch: 1, CurrentBatch: 1}
	w.sending = w.sending[:0]
	for key := range w.open {
		there := x.registry.View(key).Known
		if there == w.told[key] {
			delete(w.open, key)
			continue
		}
		one := nacoswire.FuzzyService{ServiceKey: nacoswire.ServiceKey(key.Namespace, key.Group, key.Service), ChangedType: nacoswire.ServiceDeleted}
		if there {
			one.ChangedType = nacoswire.ServiceAdded
		}
		if !there || w.first == "" { // Java's clients take every service of a FuzzySyncRequest for one that came
			w.sending = append(w.sending[:0], key)
			return nacoswire.TypeFuzzyChange, nacoswire.FuzzyChangeRequest{Request: head, FuzzyService: one, SyncType: nacoswire.FuzzyChange}
		}
		w.sending = append(w.sending, key)
		if sync.Contexts = append(sync.Contexts, one); len(sync.Contexts) == fuzzyBatch {
			break
		}
	}
	switch {
	case len(sync.Contexts) > 0:
		return nacoswire.TypeFuzzySync, sync
	case w.first == nacoswire.FuzzyInit:
		sync.SyncType = nacoswire.FuzzyFinish
		return nacoswire.TypeFuzzySync, sync
	}
	w.first = ""
	return "", nil
}

// toldFuzzy notes that the client has the message that was on its way, and has the next one sent. The mutex is held.
func (x *session) toldFuzzy(name string) {
	w := x.fuzzy[name]
	if w == nil {
		return
	}
	if len(w.sending) == 0 { // it was the end of the beginning
		w.first = ""
	}
	for _, key := range w.sending {
		if w.told[key] = !w.told[key]; !w.told[key] {
			delete(w.told, key)
		}
	}
	x.fuzzies.changed(name)
}
