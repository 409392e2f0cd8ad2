package builtin

import (
	"container/list"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// keptAnswer is an answer that may be given again. It does not change.
type keptAnswer struct {
	status int
	fields []http1.Field
	body   string
	stored time.Time
	until  time.Time
	age    time.Duration // that it had when it was stored
}

func (a *keptAnswer) field(name string) string {
	for _, h := range a.fields {
		if http1.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// answerStore keeps answers, up to so many bytes. It is shared by the filters of a route in all generations.
type answerStore struct {
	keyer keyer
	most  int64

	mu     sync.Mutex
	items  map[key]*list.Element // of *storedItem
	order  list.List             // from the one used last
	size   int64                 // of all items
	moving int64                 // of answers that are on their way and may be kept
	turn   uint64                // tells the answers of one time from those before something was changed

	changes   atomic.Uint64 // how often something was forgotten
	forgotten [1 << 10]key  // what, the last times

	flights map[key]*flight
	loose   [2]map[key]time.Time // until when nobody waits for such answers: those told lately, and before that
	turned  time.Time            // the time by which the first became the second
}

// storedItem is either what is known of a subject, or an answer.
type storedItem struct {
	key    key
	size   int64
	vary   []string // of a subject: the fields by which its answers differ
	turn   uint64
	answer *keptAnswer // nil for a subject
}

// itemCost is what an item takes beside its texts, about.
const itemCost = 512

func newAnswerStore(most int64) *answerStore {
	return &answerStore{keyer: newKeyer(Key{}), most: most, items: map[key]*list.Element{}, flights: map[key]*flight{}}
}

// Close is for filter.Shared: there is nothing to end.
func (s *answerStore) Close() error { return nil }

// Kinds of keys.
const (
	subjectKey = 6
	answerKey  = 7
	flightKey  = 8
)

// find returns the answer to what is asked for by a request with these fields, or nil.
func (s *answerStore) find(subject string, value func(name string) string, now time.Time) *keptAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	about := s.use(s.keyer.digest(subjectKey, subject))
	if about == nil {
		return nil
	}
	var values []string
	for _, name := range about.vary {
		values = append(values, value(name))
	}
	id := s.answerKey(subject, about.turn, values)
	it := s.use(id)
	switch {
	case it == nil:
		return nil
	case !now.Before(it.answer.until):
		s.drop(id)
		return nil
	}
	return it.answer
}

func (s *answerStore) answerKey(subject string, turn uint64, values []string) key {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %q", turn, subject)
	for _, v := range values {
		fmt.Fprintf(&b, " %q", v)
	}
	return s.keyer.digest(answerKey, b.String())
}

// use returns an item, which was used now.
func (s *answerStore) use(id key) *storedItem {
	e := s.items[id]
	if e == nil {
		return nil
	}
	s.order.MoveToFront(e)
	it, _ := e.Value.(*storedItem)
	return it
}

// keep stores an answer to what was asked for by a request with these values of the fields by which it differs, unless that was forgotten
// since.
func (s *answerStore) keep(subject string, since uint64, vary, values []string, a *keptAnswer) {
	size := int64(itemCost + len(a.body))
	for _, h := range a.fields {
		size += int64(len(h.Name)+len(h.Value)) + 32
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.keyer.digest(subjectKey, subject)
	if s.forgot(id, since) {
		return
	}
	about := s.use(id)
	if about == nil || !slices.Equal(about.vary, vary) {
		s.drop(id)
		s.turn++
		about = &storedItem{key: id, size: itemCost, vary: vary, turn: s.turn}
		s.put(about)
	}
	to := s.answerKey(subject, about.turn, values)
	s.drop(to)
	s.put(&storedItem{key: to, size: size, answer: a})
}

func (s *answerStore) put(it *storedItem) {
	s.items[it.key] = s.order.PushFront(it)
	s.size += it.size
	for s.size > s.most {
		last, _ := s.order.Back().Value.(*storedItem)
		s.drop(last.key)
	}
}

func (s *answerStore) drop(id key) {
	e := s.items[id]
	if e == nil {
		return
	}
	it, _ := s.order.Remove(e).(*storedItem)
	delete(s.items, id)
	s.size -= it.size
}

// forget drops all answers to what is asked for.
func (s *answerStore) forget(subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.keyer.digest(subjectKey, subject)
	s.drop(id) // what it had is found by nobody, and goes in its time
	s.forgotten[s.changes.Load()%uint64(len(s.forgotten))] = id
	s.changes.Add(1)
}

// forgot tells whether a subject was forgotten since, or may have been: of very many changes not all are known. The lock is held.
func (s *answerStore) forgot(id key, since uint64) bool {
	now, most := s.changes.Load(), uint64(len(s.forgotten))
	if now-since > most {
		return true
	}
	for ; since < now; since++ {
		if s.forgotten[since%most] == id {
			return true
		}
	}
	return false
}

// move takes room for a part of an answer that is on its way.
func (s *answerStore) move(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moving+n > s.most {
		return false
	}
	s.moving += n
	return true
}

// capture copies a body while it passes.
type capture struct {
	to      *answerStore
	most    int64
	subject string
	since   uint64
	answer  *keptAnswer
	vary    []string
	values  []string
	own     *flight
	body    []byte
	taken   int64 // of to.moving
	failed  bool
}

var _ filter.Transform = (*capture)(nil)

// Append passes the part on, and keeps it as far as there is room.
func (c *capture) Append(dst, part []byte) ([]byte, error) {
	n := int64(len(part))
	if !c.failed && (int64(len(c.body))+n > c.most || !c.to.move(n)) {
		c.failed = true
		c.body = nil
		c.to.land(c.own, c.answer.stored.Add(looseFor))
	}
	if !c.failed {
		c.taken += n
		c.body = append(c.body, part...)
	}
	return append(dst, part...), nil
}

// Flush holds nothing back.
func (c *capture) Flush(dst []byte) ([]byte, error) { return dst, nil }

// Finish keeps the answer: it was complete.
func (c *capture) Finish(dst []byte) ([]byte, error) {
	if !c.failed {
		c.keep()
	}
	return dst, nil
}

func (c *capture) keep() {
	c.answer.body = string(c.body)
	c.to.keep(c.subject, c.since, c.vary, c.values, c.answer)
	c.to.land(c.own, time.Time{})
}

// Release gives the room back.
func (c *capture) Release() { c.to.move(-c.taken) }

// directives are those of Cache-Control, in lower case.
type directives map[string]string

func readDirectives(fields *http1.Fields) directives {
	var out directives
	for v := range fields.Values("Cache-Control") {
		for one := range strings.SplitSeq(v, ",") {
			name, value, _ := strings.Cut(one, "=")
			if name = strings.ToLower(strings.Trim(name, " \t")); out == nil {
				out = directives{}
			}
			if !out.has(name) { // the first one counts (RFC 9111, 4.2.1)
				out[name] = strings.Trim(value, " \t\"")
			}
		}
	}
	return out
}

func (d directives) has(name string) bool {
	_, ok := d[name]
	return ok
}

// seconds is the time that a directive gives. One that is no number counts as none at all being left (RFC 9111, 4.2.1).
func (d directives) seconds(name string) (time.Duration, bool) {
	text, ok := d[name]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		n = 0
	}
	return time.Duration(n) * time.Second, true
}

// parseHTTPTime reads a date (RFC 9110, 5.6.7).
func parseHTTPTime(text string) (time.Time, error) { return http.ParseTime(text) }
