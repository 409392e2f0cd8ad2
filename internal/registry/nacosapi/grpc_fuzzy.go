package nacosapi

import (
	"fmt"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// Bounds of fuzzy watches, those of Nacos.
const (
	maxPatterns = 20  // of one connection and kind
	maxMatches  = 500 // things that one pattern tells of
	fuzzyBatch  = 10  // things in one message
)

// fuzzyKind is what fuzzy watches are about: services, or configurations.
type fuzzyKind[K comparable] interface {
	among(nacoswire.FuzzyPattern) []K // those that are there and match
	match(nacoswire.FuzzyPattern, K) bool
	there(K) bool
	parse(string) (K, bool)                                                                   // as the client writes it
	some(q nacoswire.Request, syncType, pattern string, keys []K) (*nacoswire.Payload, error) // these are there
	one(q nacoswire.Request, key K, there bool) (*nacoswire.Payload, error)                   // this came, or went
}

// fuzzyWatches are those of one client about one kind of thing. The session's mutex guards them.
type fuzzyWatches[K comparable] struct {
	kind     fuzzyKind[K]
	module   string
	answer   string                    // type of the answer to a request
	watches  map[string]*fuzzyWatch[K] // by pattern
	messages deliveries[string]
}

func newFuzzyWatches[K comparable](kind fuzzyKind[K], module, answer string) fuzzyWatches[K] {
	return fuzzyWatches[K]{kind: kind, module: module, answer: answer, watches: map[string]*fuzzyWatch[K]{}, messages: newDeliveries[string]()}
}

// fuzzyWatch tells a client what matches a pattern: what is there, that this was all, and everything that comes or goes.
type fuzzyWatch[K comparable] struct {
	pattern nacoswire.FuzzyPattern
	first   string         // syncType of what is there at the beginning; empty when that is done
	told    map[K]bool     // what the client knows of
	open    map[K]struct{} // about which it may be wrong
	sending []K            // in the message on its way
}

// watch begins a watch, or begins it again, or ends it. It tells whether there is something to send.
func (f *fuzzyWatches[K]) watch(q nacoswire.FuzzyWatchRequest, id string) (*nacoswire.Payload, bool, error) {
	p, err := nacoswire.ParseFuzzyPattern(q.Pattern)
	if err != nil {
		return nil, false, invalid(err)
	}
	switch q.WatchType {
	case nacoswire.FuzzyCancel:
		delete(f.watches, q.Pattern)
		f.messages.remove(q.Pattern)
		out, err := nacoswire.NewPayload(f.answer, nacoswire.OK(id))
		return out, false, err
	case nacoswire.FuzzyWatch:
	default:
		return nil, false, fmt.Errorf("nacosapi: Unsupported request type %.64q: %w", q.WatchType, registry.ErrInvalid)
	}
	if f.watches[q.Pattern] == nil && len(f.watches) >= maxPatterns {
		out, err := nacoswire.NewPayload(f.answer, nacoswire.Fail(id, nacoswire.ErrorFuzzyPatterns, "fuzzy watch pattern over limit"))
		return out, false, err
	}
	w := &fuzzyWatch[K]{pattern: p, first: nacoswire.FuzzyDiff, told: map[K]bool{}, open: map[K]struct{}{}}
	if q.Initializing {
		w.first = nacoswire.FuzzyInit
	}
	for _, s := range q.Received[:min(len(q.Received), maxMatches)] {
		if key, ok := f.kind.parse(s); ok {
			w.told[key], w.open[key] = true, struct{}{}
		}
	}
	found := f.kind.among(p)
	for _, key := range found[:min(len(found), maxMatches)] {
		w.open[key] = struct{}{}
	}
	f.watches[q.Pattern] = w
	f.messages.remove(q.Pattern)
	f.messages.add(q.Pattern, time.Time{})
	answer := nacoswire.OK(id)
	if len(found) > maxMatches {
		answer = nacoswire.Fail(id, nacoswire.ErrorFuzzyMatches, "fuzzy watch pattern matched count over limit")
	}
	out, err := nacoswire.NewPayload(f.answer, answer)
	return out, true, err
}

// mayHaveComeOrGone takes things that have changed in any way.
func (f *fuzzyWatches[K]) mayHaveComeOrGone(keys []K) {
	for name, w := range f.watches {
		for _, key := range keys {
			if !f.kind.match(w.pattern, key) || len(w.told) >= maxMatches && !w.told[key] {
				continue
			}
			if w.told[key] == f.kind.there(key) {
				continue // the usual case: it is another, but there as before
			}
			w.open[key] = struct{}{}
			f.messages.changed(name)
		}
	}
}

// tell makes the next message of a watch; nil: there is nothing to tell.
func (f *fuzzyWatches[K]) tell(name, id string) (*nacoswire.Payload, error) {
	w := f.watches[name]
	if w == nil {
		return nil, nil
	}
	head := nacoswire.Request{RequestID: id, Module: f.module}
	w.sending = w.sending[:0]
	for key := range w.open {
		there := f.kind.there(key)
		if there == w.told[key] {
			delete(w.open, key)
			continue
		}
		if !there || w.first == "" { // Java's clients take everything in a message of several for what came
			w.sending = append(w.sending[:0], key)
			return f.kind.one(head, key, there)
		}
		if w.sending = append(w.sending, key); len(w.sending) == fuzzyBatch {
			break
		}
	}
	switch {
	case len(w.sending) > 0:
		return f.kind.some(head, w.first, name, w.sending)
	case w.first == nacoswire.FuzzyInit:
		return f.kind.some(head, nacoswire.FuzzyFinish, name, nil)
	}
	w.first = ""
	return nil, nil
}

// answered takes the client's answer to a message, and has the next one sent.
func (f *fuzzyWatches[K]) answered(id string, ok bool, now time.Time, cfg *Config) bool {
	name, mine := f.messages.answered(id, ok, now, cfg)
	w := f.watches[name]
	if !mine || !ok || w == nil {
		return mine
	}
	if len(w.sending) == 0 { // it was the end of the beginning
		w.first = ""
	}
	for _, key := range w.sending {
		if w.told[key] = !w.told[key]; !w.told[key] {
			delete(w.told, key)
		}
	}
	f.messages.changed(name)
	return true
}

// sendFuzzy sends the messages of watches that are due.
func sendFuzzy[K comparable](w *writer, f *fuzzyWatches[K], patterns []string, now time.Time) error {
	for _, name := range patterns {
		id := w.nextID()
		w.x.mu.Lock()
		p, err := f.tell(name, id)
		f.messages.sent(name, id, now, &w.cfg)
		if p == nil {
			f.messages.answered(id, true, now, &w.cfg)
		}
		w.x.mu.Unlock()
		if p == nil && err == nil {
			continue
		}
		if err := w.send(p, err); err != nil {
			return err
		}
	}
	return nil
}
