package registry

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"paifang/internal/model"
)

// Keys of the storage. What stands below root is followed by every process; a service is written namespace/group/service,
// an instance behind it with spaces, which no name contains.
const (
	root         = "naming/"
	settingsRoot = root + "service/"  // what was set of a service
	fixedRoot    = root + "instance/" // persistent instances
	patchRoot    = root + "patch/"    // updates by API
	liveRoot     = root + "live/"     // ephemeral instances of processes that share the storage
	processRoot  = root + "process/"  // where those processes are
	clockKey     = root + "clock"     // see refs
	markKey      = "naming-mark"      // see refs
	savedRoot    = "naming-saved/"    // ephemeral instances of one process, for its next start
)

// slotText is an instance as the end of a key.
func slotText(key Key, at slot) string {
	return key.String() + " " + at.addr.String() + " " + at.cluster
}

// parseSlot reads what slotText wrote.
func parseSlot(text string) (Key, slot, error) {
	p := strings.Split(text, " ")
	if len(p) != 3 {
		return Key{}, slot{}, fmt.Errorf("registry: stored key %q: %w", text, ErrInvalid)
	}
	key, err := ParseKey(p[0])
	if err != nil {
		return Key{}, slot{}, err
	}
	addr, err := netip.ParseAddrPort(p[1])
	if err != nil {
		return Key{}, slot{}, fmt.Errorf("registry: stored key %q: %w", text, err)
	}
	return key, slot{addr, p[2]}, nil
}

// record is an instance as it is stored. Address and cluster stand in its key, or in it where several stand under one.
type record struct {
	Addr      netip.AddrPort `json:"addr,omitzero"`
	Cluster   string         `json:"cluster,omitempty"`
	Weight    float64        `json:"weight"`
	Disabled  bool           `json:"disabled,omitempty"`
	Unhealthy bool           `json:"unhealthy,omitempty"`
	Metadata  labels         `json:"metadata,omitempty"`
	Since     time.Time      `json:"since"`
}

func newRecord(in *Instance) record {
	return record{Weight: in.Weight, Disabled: !in.Enabled, Unhealthy: !in.Healthy, Metadata: labels(in.Metadata), Since: in.Since}
}

func (d *record) instance(at slot, ephemeral bool) Instance {
	return Instance{Addr: at.addr, Cluster: at.cluster, Weight: d.Weight, Enabled: !d.Disabled, Healthy: !d.Unhealthy, Ephemeral: ephemeral,
		Metadata: model.Tags(d.Metadata), Since: d.Since}
}

// storedPatch is a Patch as it is stored.
type storedPatch struct {
	Weight   *float64 `json:"weight,omitempty"`
	Enabled  *bool    `json:"enabled,omitempty"`
	Metadata *labels  `json:"metadata,omitempty"`
}

func (p Patch) stored() storedPatch {
	d := storedPatch{Weight: p.Weight, Enabled: p.Enabled}
	if p.Metadata != nil {
		d.Metadata = (*labels)(&p.Metadata)
	}
	return d
}

func (d *storedPatch) patch() Patch {
	p := Patch{Weight: d.Weight, Enabled: d.Enabled}
	if d.Metadata != nil {
		if p.Metadata = model.Tags(*d.Metadata); p.Metadata == nil {
			p.Metadata = model.Tags{}
		}
	}
	return p
}

// labels are tags that are stored as an object.
type labels model.Tags

// MarshalJSON writes an object, also when there is nothing in it.
func (l labels) MarshalJSON() ([]byte, error) {
	m := make(map[string]string, len(l))
	for _, t := range l {
		m[t.Name] = t.Value
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *labels) UnmarshalJSON(b []byte) error {
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*l = labels(model.NewTags(m))
	return nil
}
