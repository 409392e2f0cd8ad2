package springgw

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// requestURIsKey is the key of a route's metadata that declares which URIs requests may name.
const requestURIsKey = "request-uris"

// onlyDeclared is how the filters differ from Spring's, where a request may be sent anywhere.
const onlyDeclared = "only declared targets: a URI that is neither in metadata request-uris of the route nor in sources.spring.requestUris of the configuration file is answered 403, and what is no URI 400"

// naming is how requests name the target they go to.
type naming struct {
	header   string
	template string
	hosts    []string // expressions with variables
	line     int
}

// setRequestURI reads a template of a URI. Its path and query are those that are sent, as in Spring's code.
func (e *effect) setRequestURI(p *part) error {
	values, err := p.unchecked("template")
	if err != nil {
		return err
	}
	template := strings.ReplaceAll(values["template"], `$\{`, "{")
	switch {
	case len(p.words) > 1:
		return errors.New("has more than a template: a comma always divides arguments")
	case template == "":
		return errors.New("template is missing")
	}
	return e.name(p, naming{template: template, line: p.line})
}

func (e *effect) headerURI(p *part) error {
	values, err := e.positions(p, []string{"name"}, 1)
	if err != nil {
		return err
	}
	return e.name(p, naming{header: values["name"], line: p.line})
}

func (e *effect) name(p *part, n naming) error {
	if e.naming != nil {
		return errors.New("stands beside another filter by which requests name a target: leave one of them")
	}
	e.naming = &n
	e.remark(p, model.CodeUnsupported, model.Info, "%s", onlyDeclared)
	return nil
}

// resolve finds the variables of the template in the predicates.
func (n *naming) resolve(when *condition) error {
	for _, name := range variables(n.template) {
		inPaths := when.inPaths(name)
		if !inPaths && !when.inHosts(name) {
			return fmt.Errorf("filter SetRequestUri: {%s} is no variable of every pattern of Path, or of Host", name)
		}
		if inPaths {
			continue
		}
		if n.hosts = when.hostNamed; n.hosts == nil {
			return fmt.Errorf("filter SetRequestUri: {%s} is of a Host pattern that has a port, or a name that is none of letters, digits and underscores", name)
		}
	}
	return nil
}

// named is the effect of a route whose requests name their target.
func (t *translator) named(g *model.Objects, d *definition, does *effect, when *condition, origin model.Origin) (model.Action, error) {
	n := does.naming
	if d.metadata.Get(laneKey) != nil {
		return nil, fmt.Errorf("metadata %s is not supported beside a filter by which requests name a target", laneKey)
	}
	if does.call != nil {
		return nil, errors.New("filter JsonToGrpc is not supported beside a filter by which requests name a target")
	}
	if err := n.resolve(when); err != nil {
		return nil, err
	}
	declared, err := t.declared(d, n)
	if err != nil {
		return nil, err
	}
	f := &model.Forward{Host: does.host, HostName: does.hostName, Target: model.TargetReceived, Retry: does.tries(),
		Naming: &model.Naming{Header: n.header, Template: n.template, Hosts: n.hosts}}
	own := d.uri.Text() != "no://op"
	if own {
		to, err := readTarget(d.uri.Text())
		if err != nil {
			return nil, fmt.Errorf("uri %w", err)
		}
		if err := t.aim(g, f, to, does, origin); err != nil {
			return nil, err
		}
		f.Targets[0].Weight = 1
		if does.host == model.HostEndpoint && to.service == "" {
			f.Host, f.HostName = model.HostLiteral, to.authority()
		}
	}
	for _, to := range declared {
		if err := t.aim(g, f, to, does, origin); err != nil {
			return nil, err
		}
	}
	switch {
	case len(f.Targets) == 0:
		return nil, fmt.Errorf("no://op leads nowhere, and no URI is declared that requests may name: list them in metadata %s or sources.spring.requestUris", requestURIsKey)
	case len(declared) == 0:
		g.Diagnostics = append(g.Diagnostics, fault{"", n.line, "metadata." + requestURIsKey, model.CodeUnsupported, model.Warning,
			"no URI is declared that requests may name: those that name another one than the route's are answered 403; list them in metadata " + requestURIsKey + " or sources.spring.requestUris"}.diagnostic(origin))
	}
	return *f, nil
}

// aim adds a target that requests may name.
func (t *translator) aim(g *model.Objects, f *model.Forward, to target, does *effect, origin model.Origin) error {
	if to.service != "" && to.service == t.c.Self {
		return fmt.Errorf("lb://%s is this gateway itself: a request would come back for ever", to.service)
	}
	id := t.reach(g, to, origin)
	uri := to.named()
	for i := range f.Targets {
		if have := &f.Targets[i]; have.Upstream == id {
			if !slices.Contains(have.URIs, uri) {
				have.URIs = append(have.URIs, uri)
			}
			return nil
		}
	}
	out := model.Target{Upstream: id, URIs: []string{uri}}
	switch {
	case does.host != model.HostEndpoint: // a filter says which
	case to.service == "":
		out.Host, out.HostName = model.HostLiteral, to.authority()
	default:
		out.Host = model.HostEndpoint
	}
	f.Targets = append(f.Targets, out)
	return nil
}

// named is the target as model.NamedURI has it.
func (t target) named() string {
	scheme := "http"
	switch {
	case t.service != "" && t.secure:
		return "lb:https://" + t.service
	case t.service != "":
		return "lb://" + t.service
	case t.secure:
		scheme = "https"
	}
	return scheme + "://" + t.authority()
}

// declared are the targets that requests of a route may name besides its own: those that are listed, the one of a template that
// leaves no host open, and for one that names services, those that routes lead to.
func (t *translator) declared(d *definition, n *naming) ([]target, error) {
	var out []target
	add := func(where string, uris ...string) error {
		for _, uri := range uris {
			to, err := readTarget(uri)
			if err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			out = append(out, to)
		}
		return nil
	}
	if err := add("sources.spring.requestUris", t.c.RequestURIs...); err != nil {
		return nil, err
	}
	if p := d.metadata.Get(requestURIsKey); p != nil {
		if err := add("metadata "+requestURIsKey, listOf(p)...); err != nil {
			return nil, err
		}
	}
	host := n.template
	if i := strings.Index(host, "://"); i >= 0 {
		if end := strings.IndexAny(host[i+len("://"):], "/?#"); end >= 0 {
			host = host[:i+len("://")+end]
		}
	}
	if host != "" && !strings.Contains(host, "{") {
		if err := add("filter SetRequestUri", host); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(host, "lb://") {
		t.dependsOn().services = t.known()
		for _, s := range t.known() {
			out = append(out, target{service: s})
		}
	}
	return out, nil
}

// listOf are the items of a list, or of a text with commas.
func listOf(p *bootconfig.Property) []string {
	var out []string
	for _, v := range p.Values() {
		for one := range strings.FieldsFuncSeq(v, isListByte) {
			out = append(out, one)
		}
	}
	return out
}

// dependsOn is what the definition under way goes by that stands elsewhere.
func (t *translator) dependsOn() *dependence {
	if t.depends == nil {
		t.depends = &dependence{}
	}
	return t.depends
}

// known are the services that routes lead to.
func (t *translator) known() []string {
	if t.services != nil {
		return t.services
	}
	all := map[string]bool{}
	for _, f := range t.files {
		if f.config.off {
			continue
		}
		for _, d := range f.config.routes {
			if to, err := readTarget(d.uri.Text()); err == nil && to.service != "" && !to.secure && to.service != t.c.Self {
				all[to.service] = true
			}
		}
	}
	t.services = slices.AppendSeq([]string{}, maps.Keys(all))
	slices.Sort(t.services)
	return t.services
}
