// Package springgw reads route definitions of Spring Cloud Gateway from its YAML (application.yml) and offers them as
// routes of the gateway listener.
//
// A file is read here when it holds the property spring.cloud.gateway, in any of the spellings that Spring Boot
// accepts (package bootconfig), with the prefix of 4.2 and before or that of 4.3 and after, mixed. Every
// other file is somebody else's and is passed over in silence. Files add up: routes may be divided among as many as one likes.
//
// What Spring would not start with is contained here: a route with a part that is not supported is rejected by
// name, its siblings live. If its condition could be read it answers 503, because what it stood in front of must not fall to
// a broader route; if not, it is left out.
package springgw

import (
	"cmp"
	"fmt"
	"net"
	"sync"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/lookup"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/watch"
)

// CodeUnresolved is the code of a host name in a uri that has no address.
const CodeUnresolved model.Code = "host-unresolved"

// Config says what is read and where its routes go.
type Config struct {
	Name   string        // of the source; default "springgw"
	Paths  []string      // files, and directories of YAML files
	Feeds  []Feed        // texts that are followed elsewhere
	Class  model.Class   // of the listeners that serve the routes; default "gateway"
	Keeper string        // of the lists that lb:// names; default model.KeeperRegistry
	Prefix string        // of their names; default "public/DEFAULT_GROUP/"
	Also   []model.Shelf // further registries that lb:// and the locator take instances from
	// NobodyTrusted says that the gateway believes nobody's X-Forwarded-For.
	NobodyTrusted bool
	Self          string // the gateway's own service: it is not routed to
	Zone          string // where the process runs; for zone-preference without a zone
	Priority      int    // of the source; lower first
	Boot          bootconfig.Settings
	// KeyResolvers says what beans that a RequestRateLimiter names count by: a text of parts of a request, such as "{header.X-Api-Key}".
	KeyResolvers map[string]string
	// RequestURIs are those that requests may name where a filter lets them name a target: "http://host:port", "lb://service".
	RequestURIs []string
	Resolver    lookup.Resolver // of host names in http://; default the system's
	// Refresh is how long addresses of host names are used until they are asked for again. Default 30s.
	Refresh time.Duration
	// List has Definitions kept up to date.
	List bool
	// Above is what the files of another source say for all routes, which holds for those here too; nil: there are none.
	Above *Common
	// Rules reads rules of Sentinel that are kept in Nacos, for Import. Nil: nobody is asked.
	Rules func(RuleItem) (string, error)
	// descriptors are the files that filters name.
	descriptors *descriptorFiles
	// Behind is how many sources have routes that are tried before those of this one, of equal order; 0: none.
	Behind int
	// above is what Above said last.
	above []*application
	// names has host names written down, for somebody who follows lists of model.KeeperDNS, and asks for none.
	names bool
}

func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, "springgw")
	c.Class = cmp.Or(c.Class, "gateway")
	c.Keeper = cmp.Or(c.Keeper, model.KeeperRegistry)
	c.Prefix = cmp.Or(c.Prefix, "public/DEFAULT_GROUP/")
	c.Refresh = cmp.Or(c.Refresh, 30*time.Second)
	if c.descriptors == nil {
		c.descriptors = newDescriptorFiles()
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	return c
}

// Source follows the files. It is a source.Source.
type Source struct {
	c      Config
	common *Common

	mu            sync.Mutex
	listed, above []gatewayConfig
}

var _ source.Source = (*Source)(nil)

// New returns a source. Nothing is read before Run.
func New(c Config) *Source { return &Source{c: c.withDefaults(), common: newCommon()} }

// Name returns Config.Name.
func (s *Source) Name() string { return s.c.Name }

// Common is what the files say for all routes, for Config.Above of other sources. It is followed while Run does.
func (s *Source) Common() *Common { return s.common }

// Load reads everything once and returns its groups, sorted by key. It asks no DNS: upstreams with a host name have no
// addresses. What is wrong inside the files is in the groups' Diagnostics; the error is for paths that cannot be read.
func Load(c Config) ([]source.Group, error) {
	c = c.withDefaults()
	files, err := watch.Read(watch.Options{Paths: c.Paths, Accept: bootconfig.Accept})
	if err != nil {
		return nil, fmt.Errorf("springgw: load: %w", err)
	}
	r := newReading(&c)
	r.take(files)
	return translate(c, r.applications(), nil, nil).groups, nil
}
