package springgw

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// afterAll is the position of the locator's routes: behind all that are written down.
const afterAll = 1 << 30

const locatorKey = "spring.cloud.gateway.discovery.locator."

// locator turns spring.cloud.gateway.discovery.locator into a model.Locator.
func (t *translator) locator(f *application) {
	l := f.config.locator
	if l == nil || !l.Get("enabled").IsTrue() {
		return
	}
	t.as(l.File)
	around := f.config.around
	if f.fed {
		around = t.under(around)
	}
	origin := model.Origin{Source: t.c.Name, Kind: "locator", Name: "discovery.locator", File: l.File, Line: l.Line}
	g := t.group("locator")
	if len(g.Locators) > 0 {
		return // switched on by an earlier file
	}
	out := model.Locator{ID: t.c.Name, Origin: origin, Attach: []model.Class{t.c.Class}, Priority: t.c.Priority, Keeper: t.c.Keeper, Prefix: t.c.Prefix, Also: t.c.Also,
		ConnectTag: metadataKeys()[0], ResponseTag: metadataKeys()[1],
		LowerCase: l.Get("lower-case-service-id").IsTrue(), Rank: model.Rank{Position: afterAll}, TLS: model.UpstreamTLS{SkipVerify: t.insecure}, Keep: t.pool}
	if t.balance != nil {
		out.Balancing, out.BalancingOf = t.balance.all, t.balance.by
	}
	if t.c.Self != "" {
		out.Except = []string{t.c.Self}
	}
	refuse := func(p *bootconfig.Property, line int, field string, err error) {
		message := strings.ReplaceAll(err.Error(), model.LocatorService, "serviceId")
		for i, tag := range out.Tags {
			message = strings.ReplaceAll(message, model.LocatorTag(i), "metadata['"+tag+"']")
		}
		at := fault{l.File, line, locatorKey + field, model.CodeUnsupported, model.Error,
			message + "; services are not routed to by the locator until it is mended"}
		if p != nil {
			at.file, at.line = p.File, p.Line
		}
		t.say(at)
	}
	remark := func(notes []fault) {
		for _, n := range notes {
			n.file, n.field = l.File, locatorKey+n.field
			t.say(n)
		}
	}
	if err := t.whichServices(l, &out); err != nil {
		refuse(err.at, 0, err.at.Name, err.err)
		return
	}
	when := condition{}
	for _, p := range template(l, "predicates", around) {
		if err := when.addTemplate(&p, &out.Tags); err != nil {
			refuse(nil, p.line, p.field, err)
			return
		}
	}
	if p := l.Get("predicates"); p != nil && len(template(l, "predicates", around)) == 0 {
		refuse(p, 0, "predicates", errors.New("every request would meet no predicate at all: name one, or leave predicates out"))
		return
	}
	base, err := around.basePath()
	if base != "" && l.Get("predicates") == nil {
		when.paths = []model.PathMatch{{Kind: model.PathPrefix, Value: base + "/" + model.LocatorService}}
	}
	if err = cmp.Or(err, when.withinBase(around)); err != nil {
		refuse(nil, 0, "predicates", err)
		return
	}
	remark(when.notes)
	out.Paths, out.Hosts, out.Match = when.paths, when.names(), when.match
	own := template(l, "filters", around)
	if l.Get("filters") == nil { // none at all are none, as in Spring
		own = usualFilters(l, base)
	}
	does := effect{host: model.HostEndpoint}
	for _, p := range interleave(t.defaults, own) {
		does.notes = nil
		if p.shared {
			if err := does.add(&p); err != nil { // reported by checkDefaults
				g.Diagnostics = append(g.Diagnostics, fault{"", 0, "default-filters", model.CodeUnsupported, model.Error,
					"services are not routed to by the locator until this default filter is taken out: " + err.Error()}.diagnostic(origin))
				return
			}
		} else if err := does.addTemplate(&p, &out.Tags); err != nil {
			refuse(nil, p.line, p.field, err)
			return
		}
		if !p.shared { // see checkDefaults
			remark(does.notes)
		}
	}
	if does.call != nil {
		refuse(nil, does.call.part.line, "filters", errors.New("filter JsonToGrpc is not supported in the locator: write a route"))
		return
	}
	if does.naming != nil {
		refuse(nil, does.naming.line, "filters", errors.New("a filter by which requests name a target is not supported in the locator: write a route"))
		return
	}
	for i := range does.texts {
		if err := does.texts[i].check(&when); err != nil {
			refuse(nil, does.texts[i].part.line, "filters", err)
			return
		}
	}
	if hosts, err := when.hostVariablesOf(does.filters); err != nil || hosts != nil {
		refuse(nil, 0, "filters", errors.New("variables of the predicate Host are not supported in the locator: write a route"))
		return
	}
	out.Target, out.Retry, out.Timeouts = model.TargetReceived, does.tries(), t.timeouts
	out.Timeouts.Request = does.limit
	out.KeepHost, out.HostName = does.host == model.HostKeep, does.hostName
	spec, err := t.corsOf(nil, model.PathMatch{Kind: model.PathPrefix, Value: base + "/"}, func(x fault) { g.Diagnostics = append(g.Diagnostics, x.diagnostic(origin)) })
	if err != nil {
		return
	}
	versioned, err := checkVersion(around)
	if err != nil {
		return // see judgeVersions
	}
	t.leads = nil
	shared, err := t.sharedFilters(g, origin)
	if err != nil {
		return // see checkDefaults
	}
	if err := does.tellPrefix(around); err != nil {
		refuse(nil, 0, "filters", err)
		return
	}
	if out.Filters = slices.Concat(versioned, shared[0], does.filters, shared[1]); spec != nil {
		out.Filters = slices.Insert(out.Filters, 0, *spec)
	}
	out.WholePath = len(out.Filters) == 0
	g.Locators = []model.Locator{out}
}

// usualFilters takes the service off the path, where the locator has no filters of its own.
func usualFilters(l *bootconfig.Property, base string) []part {
	if base == "" && l.Get("predicates") == nil {
		return []part{{name: "StripPrefix"}} // which comes to the same, and is faster
	}
	return []part{rewriteService()}
}

// rewriteService is Spring's own filter of the locator.
func rewriteService() part {
	return part{name: "RewritePath", words: []string{"'/' + serviceId + '/?(?<remaining>.*)'", "'/${remaining}'"}}
}

// locatorFault is what is wrong with one property of the locator.
type locatorFault struct {
	at  *bootconfig.Property
	err error
}

// whichServices reads the properties that say which services there are routes for, and where these lead.
func (t *translator) whichServices(l *bootconfig.Property, out *model.Locator) *locatorFault {
	for _, k := range l.Kids {
		switch bootconfig.Relaxed(k.Name) {
		case "enabled", "lowercaseserviceid", "predicates", "filters":
		case "routeidprefix":
			t.say(fault{k.File, k.Line, locatorKey + k.Name, model.CodeIgnored, model.Info, "route-id-prefix has nothing to act on here: routes of the locator are named for their services"})
		case "includeexpression":
			include, err := readInclude(k.Text())
			if err != nil {
				return &locatorFault{k, err}
			}
			out.Include = include
		case "urlexpression":
			switch url, err := readText(k.Text(), nil); {
			case err != nil:
				return &locatorFault{k, err}
			case url == "lb:https://"+model.LocatorService:
				out.TLS.Mode = model.TLSAlways
			case url != "lb://"+model.LocatorService && url != "lb:http://"+model.LocatorService:
				return &locatorFault{k, fmt.Errorf("%s is not supported: want 'lb://'+serviceId", k.Text())}
			}
		default:
			return &locatorFault{k, fmt.Errorf("%s is no property of it", k.Name)}
		}
	}
	return nil
}

// template are the predicates or filters of the locator; nil where it has none of its own.
func template(l *bootconfig.Property, kind string, around *setting) []part {
	var out []part
	for i, item := range l.Get(kind).List() {
		p := readPart(item, fmt.Sprintf("%s[%d]", kind, i), kind == "predicates")
		p.around = around
		out = append(out, p)
	}
	return out
}

// evaluated returns a part whose arguments, which are expressions, are texts. Names of metadata that these ask for are added to tags.
func (p *part) evaluated(tags *[]string) (part, error) {
	out := *p
	if p.fault != "" {
		return out, nil
	}
	out.words = nil
	for _, w := range p.words {
		text, err := readText(w, tags)
		if err != nil {
			return out, err
		}
		out.words = append(out.words, text)
	}
	var failed error
	out.args = p.args.Map(func(text string) string {
		now, err := readText(text, tags)
		if err != nil && failed == nil {
			failed = err
		}
		return now
	})
	return out, failed
}

func (c *condition) addTemplate(p *part, tags *[]string) error {
	now, err := p.evaluated(tags)
	if err == nil {
		err = c.add(&now)
	}
	return err
}

// addTemplate adds a filter of the locator. That which takes the service off the path is the one for which there is a faster
// one.
func (e *effect) addTemplate(p *part, tags *[]string) error {
	if p.name == "StripPrefix" && len(p.words) == 0 && p.args == nil {
		return e.add(p)
	}
	now, err := p.evaluated(tags)
	if err == nil {
		err = e.add(&now)
	}
	return err
}
