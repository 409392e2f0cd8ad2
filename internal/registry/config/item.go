package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"paifang/internal/registry/storage"
)

// Item is a configuration.
type Item struct {
	ID           ID        `json:"-"`
	Content      string    `json:"-"`
	MD5          string    `json:"md5"`
	Type         string    `json:"type,omitempty"` // text, json, yaml, properties, xml, html, toml or unset
	App          string    `json:"app,omitempty"`
	Description  string    `json:"description,omitempty"`
	Tags         string    `json:"tags,omitempty"`         // comma separated
	EncryptedKey string    `json:"encryptedKey,omitempty"` // of contents that clients encrypt
	By           string    `json:"by,omitempty"`           // the user who wrote it
	From         string    `json:"from,omitempty"`         // the address it was written from
	Created      time.Time `json:"created"`
	Modified     time.Time `json:"modified"`
	Version      int64     `json:"version"` // 1 for the first; goes on after a removal, while its history is kept
	Revision     int64     `json:"-"`       // of the storage
}

// same tells whether publishing one over the other would change anything that readers see.
func (i *Item) same(as *Item) bool {
	return i.Content == as.Content && i.Type == as.Type && i.App == as.App && i.Description == as.Description && i.Tags == as.Tags && i.EncryptedKey == as.EncryptedKey
}

// Keys of the storage. Names have no slash in them.
const (
	root         = "config/"
	itemRoot     = root + "item/"
	nameRoot     = root + "namespace/"
	historyRoot  = "config-history/" // apart from root, because nobody follows it
	removedRoot  = "config-removed/"
	historyDepth = 30 // changes that are shown
)

func itemKey(id ID) string { return itemRoot + id.String() }

// parseID reads "namespace/group/name".
func parseID(s string) (ID, bool) {
	p := strings.Split(s, "/")
	if len(p) != 3 {
		return ID{}, false
	}
	return ID{p[0], p[1], p[2]}, true
}

// encode writes the labels as one line of JSON and the content behind it as it is.
func encode(labels any, content string) ([]byte, error) {
	b, err := json.Marshal(labels)
	if err != nil {
		return nil, err
	}
	return append(append(b, '\n'), content...), nil
}

var errStored = errors.New("what is stored cannot be read")

func decode(value []byte) (Item, error) {
	var i Item
	line, content, ok := bytes.Cut(value, []byte{'\n'})
	if !ok || json.Unmarshal(line, &i) != nil {
		return Item{}, errStored
	}
	i.Content = string(content)
	return i, nil
}

// news keeps the copy in memory and wakes who watches.
func (s *Store) news(n storage.News) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.items
	if n.Full {
		s.items, s.namespaces, s.counts, s.remembered = map[ID]*Item{}, map[string]Namespace{}, map[string]int{}, 0
	}
	for _, e := range n.Entries {
		if ns, ok := parseNamespace(e); ok {
			s.namespaces[ns.ID] = ns
			continue
		}
		id, ok := parseID(strings.TrimPrefix(e.Key, itemRoot))
		item, err := decode(e.Value)
		if !ok || err != nil {
			continue // of a later version of this program
		}
		item.ID, item.Revision = id, e.Revision
		before := old[id]
		s.set(&item)
		if before == nil || before.MD5 != item.MD5 {
			s.wake(id)
		}
	}
	for _, k := range n.Gone {
		if name, ok := strings.CutPrefix(k, nameRoot); ok {
			delete(s.namespaces, name)
		} else if id, ok := parseID(strings.TrimPrefix(k, itemRoot)); ok {
			s.unset(id)
			s.wake(id)
		}
	}
	if n.Full {
		for id := range old {
			if s.items[id] == nil {
				s.wake(id)
			}
		}
	}
}

func (s *Store) set(item *Item) {
	s.unset(item.ID)
	if s.remembered+len(item.Content) > s.opt.MaxRemember {
		item.Content = ""
	}
	s.remembered += len(item.Content)
	s.counts[item.ID.Namespace]++
	s.items[item.ID] = item
}

func (s *Store) unset(id ID) {
	if have := s.items[id]; have != nil {
		s.remembered -= len(have.Content)
		delete(s.items, id)
		if s.counts[id.Namespace]--; s.counts[id.Namespace] == 0 {
			delete(s.counts, id.Namespace)
		}
	}
}
