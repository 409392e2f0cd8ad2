package config

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"paifang/internal/registry/storage"
)

// Operation is what a change did.
type Operation string

// Operations, with the letters by which Nacos names them.
const (
	Added   Operation = "I"
	Changed Operation = "U"
	Removed Operation = "D"
)

// Change is one of a history. The configuration in it is what was there before, as Nacos keeps it: of the first one, which had nothing
// before it, what it put there. Who made it, from where and when is said of the change, and Version is its number.
type Change struct {
	Item
	Op Operation
}

// version is a change as it is stored: what it made, and of a removal what it took away. So a version is there once, and none of the
// present one.
type version struct {
	Item
	Op Operation `json:"op"`
}

func historyKey(id ID, version int64) string {
	return fmt.Sprintf("%s%s/%016x", historyRoot, id, version)
}

// commit writes a configuration and its history in one: neither is ever there without the other. What more must hold is
// that of nextVersion.
func (s *Store) commit(ctx context.Context, item Item, revision int64, op Operation, more ...storage.Condition) (int64, error) {
	made, err := encode(version{item, op}, item.Content)
	if err != nil {
		return 0, err
	}
	changes := []storage.Change{storage.Put(historyKey(item.ID, item.Version), made)}
	if op == Removed {
		mark, err := json.Marshal(removal{item.Version, item.Modified})
		if err != nil {
			return 0, err
		}
		changes = append(changes, storage.Delete(itemKey(item.ID)), storage.Put(removedKey(item.ID), mark))
	} else {
		if op == Added {
			changes = append(changes, storage.Delete(removedKey(item.ID)))
		}
		value, err := encode(item, item.Content)
		if err != nil {
			return 0, err
		}
		changes = append(changes, storage.Put(itemKey(item.ID), value))
	}
	if old := item.Version - historyDepth - 1; old > 0 { // one more than is shown: the oldest change is from it
		changes = append(changes, storage.Delete(historyKey(item.ID, old)))
	}
	more = append(more, storage.Condition{Key: itemKey(item.ID), Revision: revision}, storage.Condition{Key: historyKey(item.ID, item.Version)})
	return s.kv.Commit(ctx, more, changes...)
}

// removal is the mark of a configuration that is not there and has a history.
type removal struct {
	Version int64     `json:"version"` // of the removal, the last of its history
	At      time.Time `json:"at"`
}

// Histories of removed configurations are kept for as long as Nacos keeps them, and so many of a namespace.
const (
	keepRemoved = 30 * 24 * time.Hour
	forgetMost  = 10 // with one removal
)

func removedKey(id ID) string { return removedRoot + id.String() }

// forget makes room for the history of one more removed configuration: only removals make them more, so each looks for those that have
// to go. Of one that is published again at this moment nothing is taken away.
func (s *Store) forget(ctx context.Context, namespace string) error {
	list, _, err := s.kv.List(ctx, removedRoot+namespace+"/")
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b storage.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
	for i, e := range list[:min(len(list), forgetMost)] {
		id, ok := parseID(strings.TrimPrefix(e.Key, removedRoot))
		var gone removal
		if err := json.Unmarshal(e.Value, &gone); err != nil || !ok {
			return fmt.Errorf("history of %s: %w", e.Key, errStored)
		}
		if len(list)-i < s.opt.MaxRemoved && s.opt.Now().Sub(gone.At) < keepRemoved {
			break
		}
		changes := []storage.Change{storage.Delete(e.Key)}
		for v := max(gone.Version-historyDepth, 1); v <= gone.Version; v++ {
			changes = append(changes, storage.Delete(historyKey(id, v)))
		}
		_, err := s.kv.Commit(ctx, []storage.Condition{{Key: e.Key, Revision: e.Revision}}, changes...)
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return nil
}

// nextVersion is that of a configuration that is not there: one more than before it was removed. It holds for as long as the configuration
// is not there and its removal is still the same, which is the condition: that it is not there, and the version neither, is true again after
// others have added, changed and removed it so often that the version is no longer kept. A write that is held up for that long would give the
// configuration a number from before, and the next numbers are taken: nobody could ever write it again.
func (s *Store) nextVersion(ctx context.Context, id ID) (int64, storage.Condition, error) {
	removed, _, err := s.kv.Get(ctx, removedKey(id)) // before the list, so that what happens in between is noticed
	absent := storage.Condition{Key: removedKey(id), Revision: removed.Revision}
	if err != nil {
		return 0, absent, err
	}
	list, _, err := s.kv.List(ctx, historyRoot+id.String()+"/")
	if err != nil {
		return 0, absent, err
	}
	if len(list) == 0 {
		return 1, absent, nil
	}
	last := list[len(list)-1].Key
	n, err := strconv.ParseInt(last[strings.LastIndexByte(last, '/')+1:], 16, 64)
	return n + 1, absent, err
}

// History returns the last 30 changes of a configuration, the newest first; none is ErrUnknown.
func (s *Store) History(ctx context.Context, id ID) ([]Change, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	list, _, err := s.kv.List(ctx, historyRoot+id.String()+"/")
	if err != nil {
		return nil, fmt.Errorf("config: history of %s: %w", id, err)
	}
	versions := make([]version, 0, len(list))
	for _, e := range list {
		var v version
		line, content, _ := bytes.Cut(e.Value, []byte{'\n'})
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("config: history of %s: %w", id, errStored)
		}
		v.ID, v.Content, v.Revision = id, string(content), e.Revision
		versions = append(versions, v)
	}
	slices.SortFunc(versions, func(a, b version) int { return cmp.Compare(b.Item.Version, a.Item.Version) })
	out := make([]Change, 0, len(versions))
	for i, v := range versions[:min(len(versions), historyDepth)] {
		c := Change(v)
		if v.Op == Changed {
			if i+1 == len(versions) {
				break // what it changed is not kept any more
			}
			c.Item = versions[i+1].Item
			c.By, c.From, c.Version, c.Revision = v.By, v.From, v.Version, v.Revision
		}
		c.Created, c.Modified = v.Modified, v.Modified
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("config: history of %s: %w", id, ErrUnknown)
	}
	return out, nil
}
