package nacosapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// errUnserved is the error of calls that a Nacos server has and this one has not.
var errUnserved = errors.New("this registry does not do that")

// forAll refuses to publish or remove a configuration for a part of its readers alone, those at some addresses or with a tag: all of them
// would have it, or lose it.
func forAll(addresses, tag string) error {
	if addresses == "" && tag == "" {
		return nil
	}
	return fmt.Errorf("nacosapi: %s: %w", whyNoBeta, errUnserved)
}

const (
	whyNoBeta  = "configurations have no beta, neither by address nor by tag"
	whyNoFiles = "configurations are not copied, exported or imported here"
)

// beta are the calls about the beta of a configuration alone. Without them a call that takes a beta away would take away what everybody has.
func beta() variant { return variant{"beta", "true", refusal(whyNoBeta)} }

// refusal answers that something is not done, and why.
func refusal(why string) handler {
	return func(call) (any, error) { return nil, fmt.Errorf("nacosapi: %s: %w", why, errUnserved) }
}

// unserved is what a Nacos server has and this one has not, with the reason: who calls it is told so, and not that it does not exist.
// What belongs to other programs of Nacos, its console's own port and its AI registry among them, is not here: that is 404.
func unserved() []endpoint {
	var out []endpoint
	for _, one := range []struct{ why, calls string }{
		{"there is no capacity to be managed: limits are fixed", "GET /v1/cs/capacity POST /v1/cs/capacity GET /v3/admin/cs/capacity POST /v3/admin/cs/capacity"},
		{"there is no cache on a disk and no Derby", "POST /v1/cs/ops/localCache GET /v1/cs/ops/derby POST /v1/cs/ops/data/removal POST /v3/admin/cs/ops/localCache GET /v3/admin/cs/ops/derby POST /v3/admin/cs/ops/derby/import"},
		{"levels of logs are not changed while it runs", "PUT /v1/cs/ops/log PUT /v3/admin/cs/ops/log PUT /v1/core/ops/log PUT /v2/core/ops/log PUT /v3/admin/core/ops/log PUT /v1/ns/operator/log PUT /v1/ns/ops/log PUT /v3/admin/ns/ops/log"},
		{"switches are fixed", "PUT /v1/ns/operator/switches PUT /v1/ns/ops/switches PUT /v2/ns/operator/switches PUT /v2/ns/ops/switches PUT /v3/admin/ns/ops/switches"},
		{"pushes are not counted", "ANY /v1/ns/operator/push/state ANY /v1/ns/ops/push/state"},
		{"clients are not asked for metrics of their own", "GET /v1/cs/metrics/cluster GET /v1/cs/metrics/current GET /v3/admin/cs/metrics/cluster GET /v3/admin/cs/metrics/ip"},
		{"who asks by a long poll is not remembered", "GET /v1/cs/communication/configWatchers GET /v1/cs/communication/watcherConfigs"},
		{"configurations have no beta, and are not copied, exported or imported here", "GET /v1/cs/configs/catalog GET /v3/admin/cs/config/beta DELETE /v3/admin/cs/config/beta POST /v3/admin/cs/config/import GET /v3/admin/cs/config/export POST /v3/admin/cs/config/clone"},
		{"there is no Raft here", "POST /v1/core/ops/raft GET /v1/core/ops/idInfo POST /v2/core/ops/raft GET /v2/core/ops/ids POST /v3/admin/core/ops/raft GET /v3/admin/core/ops/ids"},
		{"servers find each other by their storage", "POST /v1/core/cluster/report POST /v1/core/cluster/switch/lookup POST /v1/core/cluster/server/leave PUT /v2/core/cluster/node/list PUT /v2/core/cluster/lookup DELETE /v2/core/cluster/nodes PUT /v3/admin/core/cluster/node/list PUT /v3/admin/core/cluster/lookup"},
		{"each server moves its own clients: call reloadCurrent there", "GET /v2/core/loader/smartReloadCluster GET /v2/core/loader/cluster POST /v3/admin/core/loader/smartReloadCluster GET /v3/admin/core/loader/cluster"},
		{"no server is responsible for a client that is not connected to it", "GET /v1/ns/operator/distro/client GET /v1/ns/ops/distro/client GET /v3/admin/ns/client/distro ANY /v2/ns/instance/statuses/{key}"},
		{"the first user is made at the first start, and the password written to a file", "POST /v1/auth/admin POST /v1/auth/users/admin POST /v3/auth/user/admin"},
		{"there is no CMDB", "GET /v1/cmdb/ops/label"},
		{"announcements and guides are those of Nacos' own console", "GET /v1/console/server/announcement GET /v1/console/server/guide"},
	} {
		words := strings.Fields(one.calls)
		for i := 0; i < len(words); i += 2 {
			out = append(out, endpoint{method: strings.TrimPrefix(words[i], "ANY"), path: words[i+1], handle: refusal(one.why), result: !strings.HasPrefix(words[i+1], "/v1/")})
		}
	}
	return out
}

// whitelabel is what a server of Nacos says of paths that it does not know (BasicErrorController of Spring Boot).
type whitelabel struct {
	Timestamp string `json:"timestamp"`
	Status    int    `json:"status"`
	Error     string `json:"error"`
	Path      string `json:"path"`
}

// unknown answers what no endpoint takes: below /ns with 501 (DistroFilter), elsewhere with 404, or with 405 where the path is known by
// other methods.
type unknown struct {
	log     *complaints
	methods map[string][]string // of a path
}

func (u *unknown) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, contextPath)
	u.log.warn("HTTP", r.RemoteAddr, fmt.Errorf("nacosapi: no such api: %.16s %.128s", r.Method, r.URL.Path))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if strings.HasPrefix(path, "/v1/ns/") || strings.HasPrefix(path, "/v2/ns/") {
		w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		w.WriteHeader(http.StatusNotImplemented)
		fmt.Fprintf(w, "no such api:%.16s:%.256s", r.Method, r.URL.Path)
		return
	}
	status := http.StatusNotFound
	if allowed := u.methods[path]; len(allowed) > 0 && !slices.Contains(allowed, r.Method) {
		status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", strings.Join(allowed, ", "))
	}
	b, _ := json.Marshal(whitelabel{time.Now().UTC().Format("2006-01-02T15:04:05.000+00:00"), status, http.StatusText(status), r.URL.Path}) // texts only
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may have gone
}
