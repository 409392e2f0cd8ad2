package interop

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// client is an official client behind a driver. Errors are those of the client. Lists that were pushed are kept by the
// driver as the client's callback got them.
type client interface {
	register(service string, in instance) error
	batch(service string, list []instance) error
	deregister(service string, in instance) error
	list(service string) ([]instance, error) // asked of the server where the client can
	services() ([]string, error)
	subscribe(service string) error
	seen(service string) ([]instance, bool) // the last list that a subscription was told, if any

	publish(dataID, content string) error
	publishCAS(dataID, content, md5 string) error
	config(dataID string) (string, error) // empty: there is none
	remove(dataID string) error
	listen(dataID string) error
	heard(dataID string) (string, bool) // the last content that the listener was told, if any

	fuzzyWatch(prefix string) error
	fuzzySeen() []string // the services that the watch has told of and not taken back

	fuzzyWatchConfigs(prefix string) error
	fuzzyConfigsSeen() []string // the configurations, likewise

	close()
}

// access is where a client connects, and as whom.
type access struct {
	host               string
	port               int
	namespace          string
	username, password string
	dir                string // for its logs and caches
	tls                string // file of the authority that signed the server's certificate; empty: clear text
	refused            bool   // it is not expected to get ready
}

// kind is a client that exists in several languages or versions.
type kind struct {
	name string
	open func(*testing.T, access) client
	v1   bool // it speaks HTTP v1 and takes pushes by UDP
	less map[string]string
}

// can tells whether a client has a call or a habit.
func (k kind) can(what string) bool { return k.less[what] == "" }

// lacks skips a scenario that a client has no call for, and says why.
func (k kind) lacks(t *testing.T, what string) {
	t.Helper()
	if why, ok := k.less[what]; ok {
		t.Skipf("%s: %s", k.name, why)
	}
}

func kinds() []kind {
	return []kind{
		{name: "go2", open: openGo2, less: map[string]string{"fuzzy": "v2.3.5 has no fuzzy watch"}},
		{name: "go1", open: openGo1, v1: true, less: map[string]string{
			"batch": "v1 has no batch registration", "fuzzy": "v1 has no fuzzy watch", "cas": "v1.1.6 does not send casMd5",
		}},
		{name: "node", open: openNode, v1: true, less: map[string]string{
			"batch": "2.6.3 has no batch registration", "fuzzy": "2.6.3 has no fuzzy watch", "cas": "2.6.3 has no publish with CAS",
			"empty": "2.6.3 passes over empty lists",
		}},
		{name: "java1", open: javaClient("1.4.8"), v1: true, less: map[string]string{
			"batch": "1.4.8 has no batch registration", "fuzzy": "fuzzy watch came with 3.0", "cas": "1.4.8 has no publish with CAS",
		}},
		{name: "java2", open: javaClient("2.5.1"), less: map[string]string{"fuzzy": "fuzzy watch came with 3.0"}},
		{name: "java3", open: javaClient("3.1.1")},
	}
}

// instance is an instance as all drivers write it down, so that lists of different clients can be compared as text.
type instance struct {
	ip        string
	port      int
	cluster   string
	weight    float64
	healthy   bool
	enabled   bool
	ephemeral bool
	metadata  map[string]string
}

// at is an instance with Nacos' defaults.
func at(ip string, port int) instance {
	return instance{ip: ip, port: port, cluster: "DEFAULT", weight: 1, healthy: true, enabled: true, ephemeral: true}
}

// String is ip|port|cluster|weight|healthy|enabled|ephemeral|k=v&k=v, with two decimals of the weight.
func (i instance) String() string {
	var meta []string
	for _, k := range slices.Sorted(maps.Keys(i.metadata)) {
		meta = append(meta, k+"="+i.metadata[k])
	}
	return fmt.Sprintf("%s|%d|%s|%.2f|%t|%t|%t|%s", i.ip, i.port, i.cluster, i.weight, i.healthy, i.enabled, i.ephemeral, strings.Join(meta, "&"))
}

func parseInstance(s string) (instance, error) {
	f := strings.Split(s, "|")
	if len(f) != 8 {
		return instance{}, fmt.Errorf("instance %q has %d fields", s, len(f))
	}
	i := instance{ip: f[0], cluster: f[2], healthy: f[4] == "true", enabled: f[5] == "true", ephemeral: f[6] == "true"}
	var err error
	if i.port, err = strconv.Atoi(f[1]); err != nil {
		return i, err
	}
	if i.weight, err = strconv.ParseFloat(f[3], 64); err != nil {
		return i, err
	}
	for pair := range strings.SplitSeq(f[7], "&") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			if i.metadata == nil {
				i.metadata = map[string]string{}
			}
			i.metadata[k] = v
		}
	}
	return i, nil
}

// text writes a list in the order of its instances' texts.
func text(list []instance) string {
	var out []string
	for _, i := range list {
		out = append(out, i.String())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// addresses are the addresses of a list, sorted.
func addresses(list []instance) string {
	var out []string
	for _, i := range list {
		out = append(out, fmt.Sprintf("%s:%d", i.ip, i.port))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
