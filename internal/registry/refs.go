package registry

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"paifang/internal/registry/storage"
)

// refs is the clock behind View.LastRef, which must not go back over a restart: a client drops a list that is not newer than
// the one it has. A mark that lies ahead is stored before any value up to it is given out; the next process begins there.
type refs struct {
	floor int64 // values begin above it
	mark  int64 // and end here until the next mark is stored; 0: nothing is stored
}

// Times of the mark.
const (
	markAhead = time.Minute
	markEvery = 20 * time.Second
)

// now is the time in milliseconds since 1970, within floor and mark.
func (c *refs) now(t time.Time) int64 {
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
		r.refs.floor = int64(binary.BigEndian.Uint64(e.Value)) + 1
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
