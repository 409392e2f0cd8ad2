// Package config keeps the configurations that applications read and follow, with their history, and the namespaces that they and
// services are in, as Nacos means these words. It knows no wire format.
//
// What is kept stands in a storage.Store. A Store here has a copy of it in memory, so that who follows a configuration is told
// without asking the storage, and what was read once can be read while the storage is out of reach.
//
//	config.go     configurations: names, publishing, reading, removing
//	item.go       how a configuration is stored
//	search.go     finding configurations
//	history.go    earlier versions
//	watch.go      who is told of changes
//	namespace.go  namespaces
package config

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // clients compare versions by it; it protects nothing
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"paifang/internal/registry/storage"
)

// Errors that calls wrap, besides those of storage.
var (
	ErrInvalid  = errors.New("invalid")
	ErrUnknown  = errors.New("not found")
	ErrConflict = errors.New("changed by somebody else") // the MD5 that the caller named is not the present one
	ErrLimit    = errors.New("limit reached")
	ErrBusy     = errors.New("too much of it at one time")
)

// ID names a configuration.
type ID struct {
	Namespace string // "public" where none was given
	Group     string // "DEFAULT_GROUP" where none was given
	Name      string // Nacos' data ID
}

// String returns "namespace/group/name".
func (id ID) String() string { return id.Namespace + "/" + id.Group + "/" + id.Name }

// Compare orders by namespace, group and name.
func (id ID) Compare(other ID) int {
	return cmp.Or(strings.Compare(id.Namespace, other.Namespace), strings.Compare(id.Group, other.Group), strings.Compare(id.Name, other.Name))
}

// Lengths of names, as Nacos servers enforce them.
const (
	maxNamespace = 64
	maxGroup     = 128
	maxName      = 256
)

// Validate tells what is wrong with the names. Errors are ErrInvalid.
func (id ID) Validate() error {
	return cmp.Or(
		check("namespace", id.Namespace, maxNamespace), check("group", id.Group, maxGroup), check("dataId", id.Name, maxName),
	)
}

// check allows letters, digits and - _ . : (ParamUtils of Nacos).
func check(what, name string, most int) error {
	if name == "" || len(name) > most {
		return fmt.Errorf("config: %s has %d bytes, want 1 to %d: %w", what, len(name), most, ErrInvalid)
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-_.:", c) < 0 {
			return fmt.Errorf("config: %s %q: only letters, digits and - _ . : are allowed: %w", what, name, ErrInvalid)
		}
	}
	return nil
}

// Options are what a store may be told. The zero value is usable.
type Options struct {
	MaxContent  int           // bytes of one configuration; default 900 KiB, which is also the most
	MaxItems    int           // configurations of one namespace; default 10,000
	MaxRemoved  int           // removed configurations of one namespace whose history is kept, for 30 days at most; default 1,000
	MaxRemember int           // bytes of contents kept in memory for when the storage is out of reach; default 64 MiB
	Wait        time.Duration // for the storage to answer a read before the copy in memory does; default 2 s
	WriteWait   time.Duration // for the storage to take a write, or to list a history; default 3 s
	Now         func() time.Time
}

const mostContent = 900 << 10 // with its labels it must fit into storage.MaxValue

// Store keeps configurations and namespaces. Open makes it, Close ends it; it is used by any number of goroutines.
type Store struct {
	opt    Options
	kv     storage.Store
	mirror *storage.Mirror
	looks  chan struct{} // a place for each search that reads contents from the storage

	mu         sync.Mutex
	items      map[ID]*Item // contents are left out beyond MaxRemember
	counts     map[string]int
	remembered int
	namespaces map[string]Namespace
	watching   map[ID]map[*Watcher]struct{}
	watchAll   map[*Watcher]struct{}
}

// Open reads what is stored. It waits for the storage until ctx ends. The caller closes it, before the storage.
func Open(ctx context.Context, kv storage.Store, opt Options) (*Store, error) {
	opt.MaxContent = min(cmp.Or(opt.MaxContent, mostContent), mostContent)
	opt.MaxItems = cmp.Or(opt.MaxItems, 10_000)
	opt.MaxRemoved = cmp.Or(opt.MaxRemoved, 1_000)
	opt.MaxRemember = cmp.Or(opt.MaxRemember, 64<<20)
	opt.Wait = cmp.Or(opt.Wait, 2*time.Second)
	opt.WriteWait = cmp.Or(opt.WriteWait, 3*time.Second)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s := &Store{opt: opt, kv: kv, looks: make(chan struct{}, maxLooks), items: map[ID]*Item{}, counts: map[string]int{}, namespaces: map[string]Namespace{}, watching: map[ID]map[*Watcher]struct{}{}, watchAll: map[*Watcher]struct{}{}}
	s.mirror = storage.NewMirror(kv, root, s.news)
	if err := s.mirror.Await(ctx, 0); err != nil {
		s.mirror.Close()
		return nil, fmt.Errorf("config: open: %w", err)
	}
	return s, nil
}

// Close ends following the storage.
func (s *Store) Close() { s.mirror.Close() }

// tries is how often a write without a condition of the caller's is begun again because somebody else was faster.
const tries = 20

// Publish sets a configuration. Where cas is not empty, it must be the MD5 of the present one, or the error is ErrConflict.
// Publishing what is there already, labels included, changes nothing. When it returns without error, the configuration is
// stored and known here; other processes learn of it within moments. Errors are also ErrInvalid, ErrLimit and those of storage.
func (s *Store) Publish(ctx context.Context, in Item, cas string) (Item, error) {
	if err := in.ID.Validate(); err != nil {
		return Item{}, err
	}
	if in.Content == "" {
		return Item{}, fmt.Errorf("config: publish %s: the content is empty: %w", in.ID, ErrInvalid)
	}
	if err := s.checkItem(&in); err != nil {
		return Item{}, err
	}
	in.MD5 = MD5(in.Content)
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	for range tries {
		out, revision, err := s.publish(ctx, in, cas)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err == nil {
			err = s.mirror.Await(ctx, revision)
		}
		if err != nil {
			return Item{}, fmt.Errorf("config: publish %s: %w", in.ID, err)
		}
		return out, nil
	}
	return Item{}, fmt.Errorf("config: publish %s: others write it all the time: %w", in.ID, ErrConflict)
}

func (s *Store) checkItem(in *Item) error {
	if len(in.Content) > s.opt.MaxContent {
		return fmt.Errorf("config: publish %s: %d bytes, at most %d are allowed: %w", in.ID, len(in.Content), s.opt.MaxContent, ErrLimit)
	}
	if n := len(in.App) + len(in.Description) + len(in.Tags) + len(in.EncryptedKey) + len(in.By) + len(in.From); n > 16<<10 {
		return fmt.Errorf("config: publish %s: labels have %d bytes: %w", in.ID, n, ErrLimit)
	}
	if in.Type == "" {
		in.Type = "text"
	}
	if !slices.Contains(kinds(), in.Type) {
		return fmt.Errorf("config: publish %s: type %.32q: want one of %s: %w", in.ID, in.Type, strings.Join(kinds(), ", "), ErrInvalid)
	}
	return nil
}

// kinds are the types of content that consoles know how to show (ConfigType of Nacos).
func kinds() []string {
	return []string{"properties", "xml", "json", "text", "html", "yaml", "toml", "unset"}
}

func (s *Store) publish(ctx context.Context, in Item, cas string) (Item, int64, error) {
	have, found, err := s.load(ctx, in.ID)
	switch {
	case err != nil:
		return Item{}, 0, err
	case cas != "" && (!found || have.MD5 != cas):
		return Item{}, 0, fmt.Errorf("its MD5 is %q, not %q: %w", have.MD5, cas, ErrConflict)
	case found && have.same(&in):
		return have, have.Revision, nil
	}
	now := s.opt.Now()
	in.Created, in.Modified, in.Version = now, now, have.Version+1
	if found {
		in.Created = have.Created
	} else {
		s.mu.Lock()
		n := s.counts[in.ID.Namespace]
		s.mu.Unlock()
		if n >= s.opt.MaxItems {
			return Item{}, 0, fmt.Errorf("namespace %s has %d configurations: %w", in.ID.Namespace, n, ErrLimit)
		}
	}
	op, more := Changed, []storage.Condition(nil)
	if !found {
		op = Added
		version, absent, err := s.nextVersion(ctx, in.ID)
		if err != nil {
			return Item{}, 0, err
		}
		in.Version, more = version, append(more, absent)
	}
	revision, err := s.commit(ctx, in, have.Revision, op, more...)
	in.Revision = revision
	return in, revision, err
}

// Get reads a configuration as it is now. While the storage is out of reach it returns what was last known, and true.
// Errors are ErrUnknown and, where nothing is known, those of storage.
func (s *Store) Get(ctx context.Context, id ID) (item Item, stale bool, err error) {
	if err := id.Validate(); err != nil {
		return Item{}, false, err
	}
	inner, cancel := context.WithTimeout(ctx, s.opt.Wait)
	defer cancel()
	item, found, err := s.load(inner, id)
	if err != nil {
		s.mu.Lock()
		known := s.items[id]
		s.mu.Unlock()
		if known == nil || known.Content == "" {
			return Item{}, false, fmt.Errorf("config: read %s: %w", id, err)
		}
		return *known, true, nil
	}
	if !found {
		return Item{}, false, fmt.Errorf("config: read %s: %w", id, ErrUnknown)
	}
	return item, false, nil
}

func (s *Store) load(ctx context.Context, id ID) (Item, bool, error) {
	e, found, err := s.kv.Get(ctx, itemKey(id))
	if err != nil || !found {
		return Item{}, false, err
	}
	item, err := decode(e.Value)
	item.ID, item.Revision = id, e.Revision
	return item, err == nil, err
}

// Remove takes a configuration away; by and from are noted in its history. Removing what is not there is no error: it
// returns false.
func (s *Store) Remove(ctx context.Context, id ID, by, from string) (bool, error) {
	if err := id.Validate(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opt.WriteWait)
	defer cancel()
	for range tries {
		have, found, err := s.load(ctx, id)
		if err == nil && !found {
			return false, nil
		}
		if err == nil {
			err = s.forget(ctx, id.Namespace)
		}
		if err == nil {
			gone := have
			gone.Modified, gone.Version, gone.By, gone.From = s.opt.Now(), have.Version+1, by, from
			var revision int64
			if revision, err = s.commit(ctx, gone, have.Revision, Removed); err == nil {
				err = s.mirror.Await(ctx, revision)
			}
		}
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("config: remove %s: %w", id, err)
		}
		return true, nil
	}
	return false, fmt.Errorf("config: remove %s: others write it all the time: %w", id, ErrConflict)
}

// MD5 is what clients compare versions by: lower-case hexadecimal.
func MD5(content string) string {
	sum := md5.Sum([]byte(content)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}
