package actuator

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"paifang/internal/source/springgw"
)

// routeView is a route as GET /routes has it.
type routeView struct {
	Predicate string          `json:"predicate"`
	ID        string          `json:"route_id"`
	Filters   []string        `json:"filters"`
	URI       string          `json:"uri"`
	Order     int             `json:"order"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
}

// definitionView is a definition as GET /routedefinitions has it.
type definitionView struct {
	ID         string          `json:"id"`
	Predicates []partView      `json:"predicates"`
	Filters    []partView      `json:"filters"`
	URI        string          `json:"uri"`
	Metadata   json.RawMessage `json:"metadata"`
	Order      int             `json:"order"`
}

type partView struct {
	Name string            `json:"name"`
	Args map[string]string `json:"args"`
}

func partsOf(parts []springgw.Part) []partView {
	out := make([]partView, 0, len(parts))
	for _, p := range parts {
		v := partView{p.Name, map[string]string{}}
		for _, a := range p.Args {
			v.Args[a.Name] = a.Value
		}
		out = append(out, v)
	}
	return out
}

func viewOf(d *springgw.Definition) routeView {
	v := routeView{ID: d.ID, URI: withPort(d.URI), Order: d.Order, Metadata: d.Metadata, Filters: []string{}}
	for i := range d.Predicates {
		text := predicateText(&d.Predicates[i])
		if i == 0 {
			v.Predicate = text
		} else {
			v.Predicate = fmt.Sprintf("(%s && %s)", v.Predicate, text)
		}
	}
	for i := range d.Combined {
		v.Filters = append(v.Filters, fmt.Sprintf("[%s, order = %d]", filterText(&d.Combined[i]), i+1))
	}
	return v
}

// withPort is a uri with the port that its scheme implies, as Spring's routes have it.
func withPort(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Port() != "" {
		return text
	}
	switch u.Scheme {
	case "http":
		u.Host += ":80"
	case "https":
		u.Host += ":443"
	}
	return u.String()
}

// argument is the value of an argument, by its name or else by its position.
func argument(p *springgw.Part, position int, name string) string {
	for i, a := range p.Args {
		if strings.EqualFold(a.Name, name) || i == position && strings.HasPrefix(a.Name, "_genkey_") {
			return a.Value
		}
	}
	return "null" // as Java shows what is not there
}

func values(p *springgw.Part) []string {
	var out []string
	for _, a := range p.Args {
		for v := range strings.SplitSeq(a.Value, ",") {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

// predicateText is what a predicate of Spring says of itself.
func predicateText(p *springgw.Part) string {
	list := func(title string) string { return fmt.Sprintf("%s: [%s]", title, strings.Join(values(p), ", ")) }
	switch p.Name {
	case "Path":
		all, slash := values(p), true
		if n := len(all); n > 0 && (all[n-1] == "true" || all[n-1] == "false") {
			all, slash = all[:n-1], all[n-1] == "true"
		}
		return fmt.Sprintf("Paths: [%s], match trailing slash: %t", strings.Join(all, ", "), slash)
	case "Host":
		return list("Hosts")
	case "Method":
		return list("Methods")
	case "RemoteAddr":
		return list("RemoteAddrs")
	case "Header":
		return fmt.Sprintf("Header: %s regexp=%s", argument(p, 0, "header"), argument(p, 1, "regexp"))
	case "Cookie":
		return fmt.Sprintf("Cookie: name=%s regexp=%s", argument(p, 0, "name"), argument(p, 1, "regexp"))
	case "Query":
		return fmt.Sprintf("Query: param=%s regexp=%s", argument(p, 0, "param"), argument(p, 1, "regexp"))
	case "After", "Before":
		return fmt.Sprintf("%s: %s", p.Name, argument(p, 0, "datetime"))
	case "Between":
		return fmt.Sprintf("Between: %s and %s", argument(p, 0, "datetime1"), argument(p, 1, "datetime2"))
	case "Weight":
		return fmt.Sprintf("Weight: %s %s", argument(p, 0, "group"), argument(p, 1, "weight"))
	default:
		return list(p.Name)
	}
}

// filterText is what a filter of Spring says of itself: a name with its value, or arguments with theirs.
func filterText(p *springgw.Part) string {
	var b strings.Builder
	b.WriteString("[" + p.Name)
	single := map[string]string{"StripPrefix": "parts", "PrefixPath": "prefix", "SetPath": "template", "RequestSize": "max", "SetStatus": "status"}[p.Name]
	args := p.Args
	if len(args) == 2 && strings.HasPrefix(args[0].Name, "_genkey_") || len(args) == 2 && args[0].Name == "name" && args[1].Name == "value" {
		fmt.Fprintf(&b, " %s = %s", args[0].Value, shown(args[1].Value))
		args = nil
	}
	for i, a := range args {
		if i > 0 {
			b.WriteByte(',')
		}
		switch {
		case !strings.HasPrefix(a.Name, "_genkey_"):
			fmt.Fprintf(&b, " %s = %s", a.Name, shown(a.Value))
		case single != "" && i == 0:
			fmt.Fprintf(&b, " %s = %s", single, shown(a.Value))
		default:
			b.WriteString(" " + shown(a.Value))
		}
	}
	b.WriteByte(']')
	return b.String()
}

// shown puts texts into quotes and leaves numbers without.
func shown(v string) string {
	if _, err := strconv.Atoi(v); err == nil {
		return v
	}
	return "'" + v + "'"
}

// factories are the names of Spring's classes, which have no order of their own.
func factories(names []string, suffix string) map[string]*int {
	out := map[string]*int{}
	for _, n := range names {
		out["["+n+suffix+"]"] = nil
	}
	return out
}

// globalFilters are those of Spring whose work is done here for each request, with their orders there.
func globalFilters() map[string]int {
	const in = "org.springframework.cloud.gateway.filter."
	return map[string]int{
		in + "RemoveCachedBodyFilter": -1 << 31, in + "NettyWriteResponseFilter": -1, in + "GatewayMetricsFilter": 0,
		in + "RouteToRequestUrlFilter": 10000, in + "ReactiveLoadBalancerClientFilter": 10150,
		in + "WebsocketRoutingFilter": 1<<31 - 2, in + "NettyRoutingFilter": 1<<31 - 1,
	}
}
