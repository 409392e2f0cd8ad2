package springgw

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"paifang/internal/bootconfig"
)

// mostCached is how many bytes a cache of a route may have.
const mostCached = 4 << 30

// cacheAnswers reads what a route keeps of answers. What it does not say itself, properties say for all routes.
func (e *effect) cacheAnswers(p *part) error {
	values, err := e.positions(p, []string{"timeToLive", "size"}, 0)
	if err != nil {
		return err
	}
	said := func(names ...string) string {
		return p.around.gateway(append([]string{"filter", "local-response-cache"}, names...)...).Text()
	}
	c := struct {
		TTL     string `json:"ttl,omitempty"`
		Size    int64  `json:"size,omitempty"`
		NoCache string `json:"noCache"`
		MaxAge  bool   `json:"maxAge"`
	}{NoCache: "leave", MaxAge: true}
	if text := cmp.Or(values["timetolive"], said("time-to-live")); text != "" {
		var ttl timeout
		if err := ttl.set(text); err != nil || ttl == 0 {
			return fmt.Errorf("timeToLive %q is no time above 0", text)
		}
		c.TTL = time.Duration(ttl).String()
	}
	if size := cmp.Or(values["size"], said("size")); size != "" {
		n, err := dataSize(size)
		if err != nil {
			return fmt.Errorf("size %w", err)
		}
		c.Size = min(n, mostCached)
	}
	switch strategy := said("request", "no-cache-strategy"); {
	case bootconfig.Same(strategy, "update-cache-entry"):
		c.NoCache = "update"
	case strategy != "" && !bootconfig.Same(strategy, "skip-update-cache-entry"):
		return fmt.Errorf("no-cache-strategy %s is neither skip-update-cache-entry nor update-cache-entry", strings.ToLower(strategy))
	}
	return e.emit("response-cache", c)
}
