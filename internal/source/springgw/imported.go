package springgw

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
	"paifang/internal/watch"
)

// Finding is what becomes of something that files say, and where they say it. Besides those of a Verdict its kind is
// "metadata" of a route, and "route" for what concerns one as a whole.
type Finding struct {
	Verdict
	File  string
	Line  int    // 0 = unknown
	Route string // "" = it belongs to none
}

// Imported is what files come to when they are not followed any more.
type Imported struct {
	Objects  model.Objects // without diagnostics: findings have them
	Routes   int           // definitions that were read
	Findings []Finding     // by file and line
	Files    []string      // that something was read from
	Java     *JavaRead     // source beside them; nil = none was looked for
}

// Lost counts what is not done here.
func (i *Imported) Lost() int {
	n := 0
	for _, f := range i.Findings {
		if f.Verdict.Verdict == Unsupported {
			n++
		}
	}
	return n
}

// Import reads everything once and says of every predicate, filter and property what becomes of it. The error is for paths that cannot be read, and for files that say nothing of the gateway.
func Import(c Config) (Imported, error) {
	c = c.withDefaults()
	files, err := watch.Read(watch.Options{Paths: c.Paths, Accept: bootconfig.Accept})
	if err != nil {
		return Imported{}, fmt.Errorf("springgw: import: %w", err)
	}
	r := newReading(&c)
	r.take(files)
	apps := r.applications()
	if len(apps) == 0 {
		return Imported{}, fmt.Errorf("springgw: import %s: nothing there is set for spring.cloud.gateway", strings.Join(c.Paths, ", "))
	}
	c.names = true
	all := translate(c, apps, nil, nil)

	out := Imported{Files: r.told()}
	j := judge{said: map[string]bool{}}
	for _, a := range apps {
		if a.merged.Root != nil {
			j.properties(a.merged.Root)
		}
		if a.config.off {
			continue
		}
		out.Routes += len(a.config.routes)
		j.parts(&a.config)
	}
	taken, named := map[model.UpstreamID]bool{}, map[model.RouteID]bool{}
	for _, g := range all.groups {
		o := g.Objects
		for _, r := range o.Routes {
			for named[r.ID] { // "a/2" is the second path of the route a, and may be another route
				r.ID += "/2"
			}
			named[r.ID] = true
			out.Objects.Routes = append(out.Objects.Routes, r)
		}
		out.Objects.Locators = append(out.Objects.Locators, o.Locators...)
		out.Objects.Endpoints = append(out.Objects.Endpoints, o.Endpoints...)
		for _, u := range o.Upstreams { // every route of a service has its upstream
			if !taken[u.ID] {
				out.Objects.Upstreams = append(out.Objects.Upstreams, u)
			}
			taken[u.ID] = true
		}
		for _, d := range o.Diagnostics {
			j.diagnostic(d)
		}
	}
	for _, a := range apps {
		if a.merged.Root != nil && !a.config.off {
			j.sentinel(a.merged.Root, &out.Objects, c.Rules)
		}
	}
	j.secrets(&out.Objects)
	slices.SortStableFunc(out.Objects.Routes, func(a, b model.Route) int { return a.Rank.Compare(b.Rank) })
	out.Findings = j.findings
	slices.SortStableFunc(out.Findings, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
	return out, nil
}

// judge collects findings. What it has said of a place is not said again by the diagnostic of that place.
type judge struct {
	findings []Finding
	said     map[string]bool
}

func place(file string, line int, field string) string {
	return fmt.Sprintf("%s:%d:%s", file, line, field)
}

func (j *judge) add(field string, f Finding) {
	j.said[place(f.File, f.Line, field)] = true
	j.findings = append(j.findings, f)
}

// properties judges all that have a verdict. Those that hold routes and filters are judged by what they hold.
func (j *judge) properties(root *bootconfig.Property) {
	propertyVerdicts().walk(root, func(p *bootconfig.Property, path []string, v *Verdict) {
		if name := bootconfig.Relaxed(p.Name); name == "routes" || name == "defaultfilters" {
			return
		}
		f := Finding{Verdict: *v, File: p.File, Line: p.Line}
		f.Name = strings.Join(path, ".")
		j.add(f.Name, f)
	})
}

// parts judges the predicates and filters of an application. Those of a route count together, as when it is served.
func (j *judge) parts(c *gatewayConfig) {
	for _, p := range c.defaults {
		var does effect
		j.part("filter", "", "", &p, does.add(&p), does.notes)
	}
	for _, d := range c.routes {
		var when condition
		var does effect
		for _, p := range d.predicates {
			when.notes = nil
			err := when.add(&p)
			j.part("predicate", d.name(), "", &p, err, when.notes)
		}
		for _, p := range d.filters {
			does.notes = nil
			err := does.add(&p)
			j.part("filter", d.name(), "", &p, err, does.notes)
		}
		j.metadata(d)
	}
	if !c.locator.Get("enabled").IsTrue() {
		return
	}
	var when condition
	var does effect
	var tags []string
	for _, p := range template(c.locator, "predicates", c.around) {
		when.notes = nil
		err := when.addTemplate(&p, &tags)
		j.part("predicate", "", locatorKey, &p, err, when.notes)
	}
	for _, p := range template(c.locator, "filters", c.around) {
		does.notes = nil
		err := does.addTemplate(&p, &tags)
		j.part("filter", "", locatorKey, &p, err, does.notes)
	}
}

// part judges a predicate or filter by what reading it came to. above is the property that has the list it is in.
func (j *judge) part(kind, route, above string, p *part, err error, notes []fault) {
	f := Finding{Verdict: Verdict{Kind: kind, Name: p.name, Verdict: Supported}, File: p.file, Line: p.line, Route: route}
	for _, n := range notes {
		f.worsen(judgement(n.code, n.severity), n.message)
	}
	if d := differences()[p.name]; d.always && f.Verdict.Verdict.rank() < Differs.rank() {
		f.worsen(Differs, d.why)
	}
	if err != nil {
		f.Verdict.Verdict, f.Why = Unsupported, err.Error()
	}
	j.add(above+p.field, f)
}

// worsen gives the finding another judgement, unless it has a worse one. What is as bad is said too.
func (f *Finding) worsen(to Judgement, why string) {
	switch have := f.Verdict.Verdict; {
	case to.rank() > have.rank():
		f.Verdict.Verdict, f.Why = to, why
	case to == have:
		f.Why = strings.TrimPrefix(f.Why+"; "+why, "; ")
	}
}

// metadata judges that of a route: it is free in Spring, where code of one's own may read it.
func (j *judge) metadata(d *definition) {
	if d.metadata == nil {
		return
	}
	for _, k := range d.metadata.Kids {
		f := Finding{Verdict: Verdict{"metadata", k.Name, Supported, ""}, File: k.File, Line: k.Line, Route: d.name()}
		if !slices.ContainsFunc(metadataKeys(), func(key string) bool { return bootconfig.Relaxed(key) == bootconfig.Relaxed(k.Name) }) {
			f.Verdict.Verdict, f.Why = Ignored, "nothing here reads it"
		}
		j.findings = append(j.findings, f) // what is wrong with its value is said besides
	}
}

// diagnostic adds what no part and no property has said.
func (j *judge) diagnostic(d model.Diagnostic) {
	at := d.Origin
	if j.said[place(at.File, at.Line, d.Field)] {
		return
	}
	f := Finding{Verdict: Verdict{"property", d.Field, judgement(d.Code, d.Severity), d.Message}, File: at.File, Line: at.Line}
	if at.Kind == "route" {
		f.Kind, f.Route = "route", at.Name
	}
	j.add(d.Field, f)
}

// secrets says of filters that need one that documents do not hold it.
func (j *judge) secrets(o *model.Objects) {
	look := func(filters []model.FilterSpec, at model.Origin) {
		for _, f := range filters {
			if f.Secret == "" && !f.Data.Empty() {
				j.findings = append(j.findings, Finding{Verdict: Verdict{"route", "filters", Unsupported,
					"what is secret of the filter " + f.Kind + " is not written: put it into a Secret, and name that as secret of the filter"}, File: at.File, Line: at.Line, Route: at.Name})
			}
		}
	}
	for i := range o.Routes {
		look(o.Routes[i].Filters, o.Routes[i].Origin)
	}
	for i := range o.Locators {
		look(o.Locators[i].Filters, o.Locators[i].Origin)
	}
}

// judgement is that of a diagnostic.
func judgement(code model.Code, severity model.Severity) Judgement {
	switch {
	case code == CodeUnverified, code == CodeArgument:
		return Supported
	case code == model.CodeIgnored:
		return Ignored
	case severity == model.Info:
		return Differs
	default:
		return Unsupported
	}
}
