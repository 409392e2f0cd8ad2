package springgw

import (
	"fmt"
	"hash/fnv"
	"path/filepath"
	"reflect"
	"slices"

	"paifang/internal/model"
)

// CodeOwnSettings is the code of files that have different settings for what their routes lead to.
const CodeOwnSettings model.Code = "settings-differ"

// client is how the gateway of one application goes about as a client of what its routes lead to: spring.cloud.loadbalancer, and httpclient of
// the gateway. It holds for the routes of that application. What is meant for one team's services is not what another's get.
type client struct {
	timeouts model.Timeouts // httpclient
	balance  *balancing     // spring.cloud.loadbalancer
	insecure bool           // httpclient.ssl: certificates of upstreams are not verified
	pool     model.Keep     // httpclient.pool
	// mark is in the names of upstreams, where another application may have ones for the same services with other settings.
	mark string
}

// alike tells whether upstreams for one service may be the same with both.
func (c client) alike(d client) bool {
	return c.pool == d.pool && c.insecure == d.insecure && reflect.DeepEqual(c.balance, d.balance)
}

func (c client) equal(d client) bool {
	return c.alike(d) && c.timeouts == d.timeouts && c.mark == d.mark
}

// of gives the upstream of a target the settings.
func (c client) of(up *model.Upstream, to target) {
	up.ID += model.UpstreamID(c.mark)
	up.TLS.SkipVerify, up.Keep = c.insecure, c.pool
	up.ID += model.UpstreamID(up.TrustText())
	if to.service != "" {
		c.balance.settle(up, to.service)
		if c.mark != "" && up.Affinity.Mode == model.Persistent { // or a client that asks both upstreams of a service would be kept by neither
			h := fnv.New32a()
			_, _ = h.Write([]byte(c.mark)) // which never fails
			up.Affinity.Cookie += fmt.Sprintf("-%08x", h.Sum32())
		}
	}
}

// unset tells whether there are no settings, whatever upstreams are called.
func (c client) unset() bool {
	c.mark = ""
	return c.equal(client{})
}

// clients returns those of all files by their paths. Upstreams have names without a mark for the locator, since its routes are named elsewhere, or
// else for the first application that has settings. Routes that were posted stand in no file: they have the settings of the application, if there
// is one alone.
func clients(files []*application) map[string]client {
	out := map[string]client{}
	var plain *application
	var written, posted []*application
	for _, f := range files {
		if f.config.off {
			continue
		}
		if f.fed && f.config.client.equal(client{}) {
			posted = append(posted, f)
			continue
		}
		written = append(written, f)
		if plain == nil && !f.fed && !f.config.client.alike(client{}) {
			plain = f
		}
	}
	if i := slices.IndexFunc(written, func(f *application) bool { return f.config.locator.Get("enabled").IsTrue() }); i >= 0 {
		plain = written[i]
	}
	var usual client
	if plain != nil {
		usual = plain.config.client
	}
	var marked []*application // the first of each that are alike
	for _, f := range written {
		c := f.config.client
		if !c.alike(usual) {
			i := slices.IndexFunc(marked, func(g *application) bool { return c.alike(g.config.client) })
			if i < 0 {
				i, marked = len(marked), append(marked, f)
			}
			c.mark = fmt.Sprintf("{as in %s}", marked[i].called())
			if slices.ContainsFunc(marked[:i], func(g *application) bool { return g.called() == marked[i].called() }) {
				c.mark = fmt.Sprintf("{as in %s, %d}", marked[i].called(), i+1)
			}
		}
		for _, path := range f.paths {
			out[path] = c
		}
	}
	// Who leads nowhere and sets nothing has no settings that could be meant.
	written = slices.DeleteFunc(written, func(f *application) bool { return !f.config.leads() && f.config.client.equal(client{}) })
	for _, f := range posted {
		if len(written) == 1 || len(written) > 1 && !slices.ContainsFunc(written, func(g *application) bool { return !g.config.client.equal(written[0].config.client) }) {
			out[f.path] = out[written[0].path]
		} else if !out[f.path].alike(usual) { // upstreams without a mark have settings
			out[f.path] = client{mark: "{in no file}"}
		}
	}
	return out
}

// called is the name of an application in the names of upstreams. Texts that are kept elsewhere know nothing of each other, and so have all of theirs.
func (a *application) called() string {
	if a.fed {
		return a.path
	}
	return filepath.Base(a.path)
}

// as has what follows be done with the settings of the application that a file belongs to.
func (t *translator) as(file string) { t.client = t.clients[file] }

// leads tells whether an application has routes, which its settings hold for.
func (c *gatewayConfig) leads() bool { return len(c.routes) > 0 || c.locator.Get("enabled").IsTrue() }

// tellClients says where applications have different settings, so that nobody looks for the effect of those of another one.
func (t *translator) tellClients(files []*application) {
	var first *application // that has routes
	for _, f := range files {
		if first == nil && !f.config.off && !f.fed && f.config.leads() {
			first = f
		}
	}
	for _, f := range files {
		if f.fed && f.config.leads() && f.config.client.equal(client{}) && t.clients[f.path].unset() && slices.ContainsFunc(slices.Concat(t.c.above, files), func(g *application) bool { return !g.config.off && !g.config.client.equal(client{}) }) {
			t.say(fault{f.path, 0, "spring.cloud.loadbalancer", CodeOwnSettings, model.Warning, "spring.cloud.loadbalancer and httpclient of the files do not hold for the routes here, as they are not the same in all of them"})
		}
		if first == nil || f.config.off || f.fed || f.config.client.equal(first.config.client) {
			continue
		}
		x := fault{f.path, 0, "spring.cloud.loadbalancer", CodeOwnSettings, model.Info, "spring.cloud.loadbalancer and httpclient are not the same here and in " + first.path +
			": each holds for the routes of its own file, and a service that both lead to is connected to apart"}
		switch {
		case f.config.leads():
		case f.config.client.equal(client{}):
			continue
		default:
			x.severity, x.message = model.Warning, "what this file says of spring.cloud.loadbalancer and httpclient has no effect, as it has no routes: write it into "+first.path+" and every other file whose routes it is for"
		}
		t.say(x)
	}
}
