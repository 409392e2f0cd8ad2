package registry

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"paifang/internal/registry/storage"
)

// refs is the clock behind View.LastRef, which must not go back over a restart: a client drops a list that is not newer than
// the one it has. A mark that lies ahead is stored before any value up to it is given out; the next process begins there.
//
// Processes that share a storage take the time from there, or a client that moves to one whose clock is behind would drop what it
// says. One of them writes the clock now and then, and each revision of the storage after that is a millisecond: whoever knows more
// of a service has the higher value, on all processes and at any speed of theirs.
type refs struct {
	floor int64 // values begin above it
	mark  int64 // and end here until the next mark is stored; 0: nothing is stored

	// Of a shared storage:
	clock    int64 // what was written last; 0: nothing is shared
	at       int64 // the revision of that
	revision int64 // the last that was told
}

// Times of the mark.
const (
	markAhead = time.Minute
	markEvery = 20 * time.Second

	clockEvery = 2 * time.Second
	clockAhead = 5 * time.Second // so that what is said first is not behind a server of another make which clients come from
)

// now is the time in milliseconds since 1970, within floor and mark.
func (c *refs) now(t time.Time) int64 {
	if c.clock > 0 {
		return c.clock + c.revision - c.at
	}
	n := max(t.UnixMilli(), c.floor)
	if c.mark > 0 {
		n = min(n, c.mark)
	}
	return n
}

// beginRefs begins where the process before may have ended.
func (r *Registry) beginRefs(ctx context.Context) error {
	e, found, err := r.store.Get(ctx, markKey)
	if err != nil {
		return err
	}
	if found && len(e.Value) == 8 {
		r.refs.floor = max(r.refs.floor, int64(binary.BigEndian.Uint64(e.Value))+1)
		r.lastRef = r.refs.floor
	}
	return r.moveMark(ctx)
}

// moveMark stores a mark that lies ahead of the clock and of the floor.
func (r *Registry) moveMark(ctx context.Context) error {
	mark := max(r.opt.Now().UnixMilli(), r.refs.floor) + markAhead.Milliseconds()
	r.mu.Lock()
	mark = max(mark, r.refs.mark)
	r.mu.Unlock()
	if _, err := r.store.Commit(ctx, nil, storage.Put(markKey, binary.BigEndian.AppendUint64(nil, uint64(mark)))); err != nil {
		return fmt.Errorf("mark of lastRefTime: %w", err)
	}
	r.mu.Lock()
	r.refs.mark = mark
	r.mu.Unlock()
	return nil
}

// told takes the revision that what follows has.
func (c *refs) told(revision int64) { c.revision = max(c.revision, revision) }

// set takes the clock that somebody wrote. It does not go back, should more have happened than moveClock left room for.
func (c *refs) set(e *storage.Entry) {
	if len(e.Value) != 8 {
		return
	}
	clock := int64(binary.BigEndian.Uint64(e.Value))
	if c.clock > 0 {
		clock = max(clock, c.clock+e.Revision-c.at)
	}
	c.clock, c.at = clock, e.Revision
}

// clockRoom is for the revisions between reading the clock and writing it.
const clockRoom = 1000

// moveClock brings the clock of a shared storage to the time, if nobody else has done so just now. It never goes back.
func (r *Registry) moveClock(ctx context.Context) error {
	list, revision, err := r.store.List(ctx, clockKey)
	if err != nil {
		return err
	}
	want := r.opt.Now().Add(clockAhead).UnixMilli()
	var have refs
	if len(list) > 0 {
		have.set(&list[0])
		if have.clock+(clockEvery/2).Milliseconds() > want {
			return nil // it is in front of ours, or was written just now
		}
		want = max(want, have.clock+revision-have.at+clockRoom)
	}
	now, err := r.store.Commit(ctx, []storage.Condition{{Key: clockKey, Revision: have.at}}, storage.Put(clockKey, binary.BigEndian.AppendUint64(nil, uint64(want))))
	switch {
	case errors.Is(err, storage.ErrConflict):
		return nil // somebody else was faster
	case err == nil && have.at > 0 && have.clock+now-have.at > want:
		return r.moveClock(ctx) // more happened than there was room for
	}
	return err
}
