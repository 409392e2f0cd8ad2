package registry

import (
	"cmp"
	"fmt"
	"strings"
)

// Key names a service. Namespaces and groups are isolated from each other.
type Key struct {
	Namespace string // "public" where none was given
	Group     string // "DEFAULT_GROUP" where none was given
	Service   string
}

// String returns "namespace/group/service".
func (k Key) String() string { return k.Namespace + "/" + k.Group + "/" + k.Service }

// ParseKey reads what String wrote.
func ParseKey(s string) (Key, error) {
	ns, rest, ok1 := strings.Cut(s, "/")
	group, service, ok2 := strings.Cut(rest, "/")
	if !ok1 || !ok2 {
		return Key{}, fmt.Errorf("registry: service %q: want namespace/group/service: %w", s, ErrInvalid)
	}
	return Key{ns, group, service}, nil
}

// Compare orders by namespace, group and name.
func (k Key) Compare(l Key) int {
	return cmp.Or(
		strings.Compare(k.Namespace, l.Namespace), strings.Compare(k.Group, l.Group), strings.Compare(k.Service, l.Service),
	)
}

// Lengths and characters of names are those that Nacos servers enforce (ParamCheckRule, version 2.4 and later).
const (
	maxNamespace = 64
	maxGroup     = 128
	maxService   = 512
	maxCluster   = 64
)

// Validate tells what is wrong with the names. Errors are ErrInvalid.
func (k Key) Validate() error {
	if err := checkName("namespace", k.Namespace, maxNamespace, "-_"); err != nil {
		return err
	}
	if err := checkName("group", k.Group, maxGroup, "-_:."); err != nil {
		return err
	}
	switch {
	case k.Service == "":
		return fmt.Errorf("registry: service name is empty: %w", ErrInvalid)
	case len(k.Service) > maxService:
		return fmt.Errorf("registry: service name has %d bytes, at most %d are allowed: %w", len(k.Service), maxService, ErrInvalid)
	case k.Service[0] == '@' || strings.Contains(k.Service, "@@"):
		return fmt.Errorf("registry: service name %q: @ in front and @@ are not allowed: %w", k.Service, ErrInvalid)
	}
	for _, c := range []byte(k.Service) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("registry: service name %q: only printable ASCII without spaces is allowed: %w", k.Service, ErrInvalid)
		}
	}
	if strings.Contains(k.Service, "..") || strings.ContainsAny(k.Service, `\<>"'`) {
		return fmt.Errorf("registry: service name %q: .. and the characters \\ < > \" ' are not allowed: %w", k.Service, ErrInvalid)
	}
	return nil
}

// checkName allows letters, digits and the bytes of also.
func checkName(what, name string, most int, also string) error {
	if name == "" || len(name) > most {
		return fmt.Errorf("registry: %s has %d bytes, want 1 to %d: %w", what, len(name), most, ErrInvalid)
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(also, c) < 0 {
			return fmt.Errorf("registry: %s %q: only letters, digits and %s are allowed: %w", what, name, also, ErrInvalid)
		}
	}
	return nil
}
