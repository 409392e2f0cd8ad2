package hub

import (
	"slices"

	"paifang/internal/model"
)

// settle makes the hub ready once every plane has bound a generation, and the lists that it uses are read: a source that reads only
// those hears of them after the first one.
func (h *Hub) settle() {
	if !h.bound || h.ready.Load() {
		return
	}
	for id := range h.unread {
		if _, used := h.inUse.Get(id.String()); used {
			return
		}
	}
	h.ready.Store(true)
}

// read are the lists of which it is known what is in them.
func read(sets []model.EndpointSet) []model.EndpointSet {
	if !slices.ContainsFunc(sets, func(s model.EndpointSet) bool { return s.Unread }) {
		return sets
	}
	return slices.DeleteFunc(slices.Clone(sets), func(s model.EndpointSet) bool { return s.Unread })
}
