package config

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/registry/storage"
)

// Operation is what made a version.
type Operation string

// Operations, with the letters by which Nacos names them.
const (
	Added   Operation = "I"
	Changed Operation = "U"
	Removed Operation = "D"
)

// Version is an earlier state of a configuration, or the present one. That of a removal has the content that was removed.
type Version struct {
	Item
	Op Operation `json:"op"`
}

func historyKey(id ID, version int64) string {
	return fmt.Sprintf("%s%s/%016x", historyRoot, id, version)
}

// commit writes a configuration and its history in one: neither is ever there without the other.
func (s *Store) commit(ctx context.Context, item Item, revision int64, op Operation) (int64, error) {
	version, err := encode(Version{item, op}, item.Content)
	if err != nil {
		return 0, err
	}
	changes := []storage.Change{storage.Put(historyKey(item.ID, item.Version), version)}
	if op == Removed {
		changes = append(changes, storage.Delete(itemKey(item.ID)))
	} else {
		value, err := encode(item, item.Content)
		if err != nil {
			return 0, err
		}
		changes = append(changes, storage.Put(itemKey(item.ID), value))
	}
	if item.Version > historyDepth {
		changes = append(changes, storage.Delete(historyKey(item.ID, item.Version-historyDepth)))
	}
	return s.kv.Commit(ctx, []storage.Condition{{Key: itemKey(item.ID), Revision: revision}, {Key: historyKey(item.ID, item.Version)}}, changes...)
}

// nextVersion is that of a configuration that is not there: one more than before it was removed.
func (s *Store) nextVersion(ctx context.Context, id ID) (int64, error) {
	list, _, err := s.kv.List(ctx, historyRoot+id.String()+"/")
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 1, nil
	}
	last := list[len(list)-1].Key
	n, err := strconv.ParseInt(last[strings.LastIndexByte(last, '/')+1:], 16, 64)
	return n + 1, err
}

// History returns the last 30 versions of a configuration, the newest first; none is ErrUnknown.
func (s *Store) History(ctx context.Context, id ID) ([]Version, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	list, _, err := s.kv.List(ctx, historyRoot+id.String()+"/")
	if err != nil {
		return nil, fmt.Errorf("config: history of %s: %w", id, err)
	}
	out := make([]Version, 0, len(list))
	for _, e := range list {
		var v Version
		line, content, _ := bytes.Cut(e.Value, []byte{'\n'})
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("config: history of %s: %w", id, errStored)
		}
		v.ID, v.Content, v.Revision = id, string(content), e.Revision
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("config: history of %s: %w", id, ErrUnknown)
	}
	slices.SortFunc(out, func(a, b Version) int { return cmp.Compare(b.Item.Version, a.Item.Version) })
	return out, nil
}
