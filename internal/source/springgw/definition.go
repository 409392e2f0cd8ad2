package springgw

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"paifang/internal/document"
	"paifang/internal/model"
)

// gatewayConfig is what one document says of the gateway.
type gatewayConfig struct {
	routes   []definition
	defaults []part // default-filters
	locator  *property
	timeouts model.Timeouts // httpclient
	insecure bool           // httpclient.ssl: certificates of upstreams are not verified
	faults   []fault        // that belong to no route
}

// definition is one route definition as it is written.
type definition struct {
	id         string
	line       int
	uri        *property
	predicates []part
	filters    []part
	order      int
	metadata   *property
	index      int // among the definitions of the file
	faults     []fault
}

// part is a predicate or filter: a name with arguments.
type part struct {
	name  string
	line  int
	field string    // "filters[1]"
	words []string  // of the short form
	args  *property // of the long form
	fault string    // why it is none
	// shared tells of a default filter: what is wrong with it is reported once, not for each route.
	shared bool
}

// fault becomes a diagnostic once its route is known.
type fault struct {
	line     int
	field    string
	code     model.Code
	severity model.Severity
	message  string
}

var prefixes = [][]string{{"spring", "cloud", "gateway"}, {"spring", "cloud", "gateway", "server", "webflux"}}

// readDocument returns what a document says of the gateway, or nil when it is none of ours.
func readDocument(d document.Document, first int) *gatewayConfig {
	if d.Root.Kind != document.Map || d.Root.Get("apiVersion") != nil && d.Root.Get("kind") != nil {
		return nil
	}
	root := newProperty(d.Root)
	gw := root.get(prefixes[0]...)
	if gw == nil {
		return nil
	}
	c := &gatewayConfig{}
	if profile := profileOf(root); profile != nil && profile.text() != "default" {
		c.faults = append(c.faults, fault{profile.line, "spring.config.activate.on-profile", model.CodeIgnored, model.Warning,
			fmt.Sprintf("the document is for profile %q and is left out: profiles are not read", profile.text())})
		return c
	}
	for _, prefix := range prefixes {
		c.read(root.get(prefix...), strings.Join(prefix, "."), first)
	}
	return c
}

func profileOf(root *property) *property {
	if p := root.get("spring", "config", "activate", "on-profile"); p != nil {
		return p
	}
	return root.get("spring", "profiles") // before Boot 2.4
}

// read adds what stands under one of the prefixes.
func (c *gatewayConfig) read(gw *property, prefix string, first int) {
	if gw == nil {
		return
	}
	for _, k := range gw.kids {
		switch relaxed(k.name) {
		case "routes":
			for _, item := range k.list() {
				if d := readDefinition(item, first+len(c.routes)); d != nil {
					c.routes = append(c.routes, *d)
				}
			}
		case "defaultfilters":
			for i, item := range k.list() {
				f := readPart(item, fmt.Sprintf("default-filters[%d]", i), false)
				f.shared = true
				c.defaults = append(c.defaults, f)
			}
		case "discovery":
			if l := k.get("locator"); l != nil {
				c.locator = l
			}
		case "httpclient":
			c.readClient(k, prefix)
		case "server":
			for _, kind := range k.kids {
				if relaxed(kind.name) != "webflux" {
					c.unsupported(kind, prefix+".server")
				}
			}
		case "enabled", "metrics", "failonroutedefinitionerror": // without a meaning here
		default:
			c.unsupported(k, prefix)
		}
	}
}

func (c *gatewayConfig) unsupported(p *property, prefix string) {
	c.faults = append(c.faults, fault{p.line, prefix + "." + p.name, model.CodeUnsupported, model.Warning,
		fmt.Sprintf("%s is not supported and has no effect", p.name)})
}

func (c *gatewayConfig) readClient(client *property, prefix string) {
	for _, k := range client.kids {
		field := prefix + ".httpclient." + k.name
		var into *timeout
		switch relaxed(k.name) {
		case "connecttimeout":
			into = (*timeout)(&c.timeouts.Connect)
		case "responsetimeout":
			into = (*timeout)(&c.timeouts.Response)
		case "ssl":
			c.readSSL(k, prefix+".httpclient.ssl")
			continue
		default:
			c.unsupported(k, prefix+".httpclient")
			continue
		}
		if err := into.set(k.text()); err != nil {
			c.faults = append(c.faults, fault{k.line, field, model.CodeInvalid, model.Error, err.Error()})
		}
	}
}

// readSSL reads what is said of TLS to upstreams. Certificates are verified unless this is switched off.
func (c *gatewayConfig) readSSL(ssl *property, prefix string) {
	for _, k := range ssl.kids {
		if relaxed(k.name) != "useinsecuretrustmanager" {
			c.faults = append(c.faults, fault{k.line, prefix + "." + k.name, model.CodeUnsupported, model.Warning,
				fmt.Sprintf("%s is not supported and has no effect: CAs for upstreams are given by tls.upstreamCA in the configuration file", k.name)})
			continue
		}
		if k.isTrue() {
			c.insecure = true
			c.faults = append(c.faults, fault{k.line, prefix + "." + k.name, CodeUnverified, model.Warning,
				"certificates of upstreams are not verified: whoever is in between can read and change everything"})
		}
	}
}

// CodeUnverified is the code of TLS that verifies nobody.
const CodeUnverified model.Code = "tls-unverified"

var definitionFields = []string{"id", "uri", "predicates", "filters", "order", "metadata", "enabled"}

// readDefinition returns nil for a definition that is switched off.
func readDefinition(p *property, index int) *definition {
	d := &definition{line: p.line, index: index}
	for _, k := range p.kids {
		switch relaxed(k.name) {
		case "id":
			d.id = k.text()
		case "uri":
			d.uri = k
		case "predicates":
			for i, item := range k.list() {
				d.predicates = append(d.predicates, readPart(item, fmt.Sprintf("predicates[%d]", i), true))
			}
		case "filters":
			for i, item := range k.list() {
				d.filters = append(d.filters, readPart(item, fmt.Sprintf("filters[%d]", i), false))
			}
		case "order":
			n, err := strconv.ParseInt(strings.ReplaceAll(k.text(), "_", ""), 0, 32)
			if err != nil {
				d.faults = append(d.faults, fault{k.line, "order", model.CodeInvalid, model.Error, fmt.Sprintf("order %q is not a whole number of 32 bits", k.text())})
			}
			d.order = int(n)
		case "metadata":
			d.metadata = k
		case "enabled":
			if !k.isTrue() {
				return nil
			}
		default:
			message := fmt.Sprintf("%s is no field of a route definition and has no effect", k.name)
			if near := document.Nearest(k.name, definitionFields); near != "" {
				message += fmt.Sprintf(": did you mean %s?", near)
			}
			d.faults = append(d.faults, fault{k.line, k.name, model.CodeUnsupported, model.Warning, message})
		}
	}
	return d
}

// name returns the id, or where there is none one that stays as long as the definition keeps its place.
func (d *definition) name(file string) string {
	if d.id != "" {
		return d.id
	}
	return fmt.Sprintf("%s-%d", filepath.Base(file), d.index+1)
}

// readPart reads "Name=a,b" or {name: Name, args: {…}}. A predicate needs arguments, a filter does not.
func readPart(p *property, field string, predicate bool) part {
	out := part{line: p.line, field: field}
	if p.leaf == nil {
		out.name, out.args = p.get("name").text(), p.get("args")
		if out.name == "" {
			out.fault = "want Name=arguments, or name and args"
		}
		return out
	}
	name, words, short := strings.Cut(p.text(), "=")
	out.name = strings.TrimSpace(name)
	for w := range strings.SplitSeq(words, ",") { // empty ones do not count, as in Spring's tokenizer
		if w = strings.TrimSpace(w); w != "" {
			out.words = append(out.words, w)
		}
	}
	if out.name == "" || predicate && !short {
		out.fault = fmt.Sprintf("%q is not of the form Name=arguments", p.text())
	}
	return out
}
