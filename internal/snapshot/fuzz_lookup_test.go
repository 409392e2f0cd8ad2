package snapshot

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// FuzzLookup compares the lookup with the plain reading of the rules, written once more here. The input is lines: the first
// is "METHOD HOST PATH", each other a route "HOST KIND PATH FLAGS", where a host of - is any, and flags are letters: s for a
// strict pattern, p for POST only, d for a default, f for falling hosts, and digits for a rank.
func FuzzLookup(f *testing.F) {
	for _, s := range []string{
		"GET shop.test /order/42\nshop.test Prefix /order -\nshop.test Prefix / -",
		"GET shop.test /a\nshop.test Exact /a -\n*.test Prefix / 1f\n- Prefix / d",
		"POST a.b.shop.test /x/y/z/\n**.shop.test Pattern /x/{a}/** s\n*.shop.test Prefix /x p\n- Any / d",
		"GET x /img/a.png\nx Pattern /img/*.png -\nx Pattern /img/{n} -\nx Pattern /img/?.png 2",
		"GET x /api/v1/health\nx Pattern /api/**/health -\nx Pattern /api/{v}/health/ s\nx Prefix /api/v1 f",
		"GET x /\nx Pattern / s\nx Pattern /** -\nx Exact / -\nx Any / -",
		"GET x /a//b\nx Pattern /a/*/b -\nx Pattern /a//b -\nx Prefix /a/ -\nx Exact /a//b -",
		"GET b.a.test /\n**.a.test Prefix /n -\n*.a.test Prefix /n -\n**.test Prefix / -\n- Prefix / d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		head := strings.Fields(lines[0])
		if len(head) != 3 || !strings.HasPrefix(head[2], "/") || len(lines) > 20 || len(text) > 2000 {
			return
		}
		rule := model.HostOwns
		byHost := map[model.Host][]*Route{}
		for i, l := range lines[1:] {
			r, falls := readRoute(l, i)
			if r == nil {
				continue
			}
			if falls {
				rule = model.HostFalls
			}
			byHost[r.Hosts[0]] = append(byHost[r.Hosts[0]], r)
		}
		e := (&Hosts[*HostTable]{}).Edit()
		for h, rs := range byHost {
			slices.SortFunc(rs, func(a, b *Route) int { return model.CompareRoutes(&a.Route, &b.Route) })
			e.Set(h, NewHostTable(h, rs))
		}
		hosts := e.Hosts()
		q := fuzzed{head[0], head[2]}
		got := "nothing"
		if r := lookup(&hosts, rule, head[1], q); r != nil {
			got = string(r.ID)
			var captures [MaxCaptures]Capture
			for i := range r.Captures(q.path, &captures) {
				if !strings.Contains(q.path, captures[i].Value) {
					t.Fatalf("%q: captured %+v", text, captures[i])
				}
			}
		}
		if want := plainFind(byHost, rule, head[1], q); got != want {
			t.Fatalf("%q: found %s, want %s", text, got, want)
		}
	})
}

// lookup is Find, nil for nothing.
func lookup(hosts *Hosts[*HostTable], rule model.HostRule, host string, q fuzzed) *Route {
	found, ok := Find(hosts, rule, host, q)
	if !ok {
		return nil
	}
	return found.In.Routes[found.Index]
}

// fuzzed is a request of FuzzLookup.
type fuzzed struct{ method, path string }

func (q fuzzed) LookupMethod() string               { return q.method }
func (q fuzzed) LookupPath() string                 { return q.path }
func (q fuzzed) LookupHeader(string) (string, bool) { return "", false }
func (q fuzzed) LookupQuery(string) (string, bool)  { return "", false }

// readRoute reads a line of FuzzLookup.
func readRoute(line string, i int) (r *Route, falls bool) {
	f := strings.Fields(line)
	if len(f) != 4 || strings.HasPrefix(f[2], "//") { // no request has a path that begins so
		return nil, false
	}
	m := model.Route{ID: model.RouteID("r" + string(rune('a'+i))), Attach: []model.Class{"c"}, Action: model.Respond{Status: 200}}
	m.Match.Path = model.PathMatch{Kind: model.PathKind(f[1]), Value: f[2]}
	if f[1] == "Any" {
		m.Match.Path = model.PathMatch{}
	}
	host := model.Host(f[0])
	if host == "-" {
		host = ""
	}
	m.Hosts = []model.Host{host}
	for _, c := range f[3] {
		switch {
		case c == 's':
			m.Match.Path.Strict = m.Match.Path.Kind == model.PathPattern
		case c == 'p':
			m.Match.Methods = []string{"POST"}
		case c == 'd':
			m.Default = true
		case c == 'f':
			falls = true
		case c >= '0' && c <= '9':
			m.Rank.Order = int(c - '0')
		}
	}
	out, err := NewRoute(m)
	if m.Validate() != nil || err != nil {
		return nil, false
	}
	return out, falls
}

// plainFind is Find as the rules say it: the most specific host that has routes decides alone, but for defaults of any host;
// where hosts fall, all that match compete, the more specific host first among routes of one rank.
func plainFind(byHost map[model.Host][]*Route, rule model.HostRule, host string, q fuzzed) string {
	var order []model.Host // that match and have routes, the most specific first
	add := func(h string) {
		if len(byHost[model.Host(h)]) > 0 {
			order = append(order, model.Host(h))
		}
	}
	if !strings.HasPrefix(host, "*") && host != "" {
		add(host)
	}
	labels := strings.Split(host, ".")
	for i := 1; i < len(labels); i++ {
		rest := strings.Join(labels[i:], ".")
		if i == 1 {
			add("*." + rest)
		}
		add("**." + rest)
	}
	var all []*Route
	for n, h := range order {
		if rule == model.HostOwns && n > 0 {
			break
		}
		all = append(all, byHost[h]...)
	}
	for _, r := range byHost[""] {
		if rule == model.HostFalls || len(order) == 0 || r.Default && !slices.ContainsFunc(all, func(r *Route) bool { return plainTakes(r, q) }) {
			all = append(all, r)
		}
	}
	var best *Route
	for _, r := range all {
		if !plainTakes(r, q) {
			continue
		}
		if best == nil || best.Default && !r.Default || best.Default == r.Default && r.Rank.Compare(best.Rank) < 0 {
			best = r
		}
	}
	if best == nil {
		return "nothing"
	}
	return string(best.ID)
}

func plainTakes(r *Route, q fuzzed) bool {
	if len(r.Match.Methods) > 0 && !slices.Contains(r.Match.Methods, q.method) {
		return false
	}
	switch p := r.Match.Path; p.Kind {
	case model.PathAny:
		return true
	case model.PathExact:
		return q.path == p.Value
	case model.PathPrefix:
		prefix := strings.TrimSuffix(p.Value, "/")
		return q.path == prefix || strings.HasPrefix(q.path, prefix+"/")
	default:
		return plainPattern(p, q.path)
	}
}

func plainPattern(p model.PathMatch, path string) bool {
	want := strings.Split(p.Value[1:], "/")
	strict, rest := p.Strict, false
	switch last := want[len(want)-1]; {
	case last == "**" || strings.HasPrefix(last, "{*"):
		want, rest = want[:len(want)-1], true
	case last == "" && len(want) > 1:
		strict = true
	case last == "":
		want = nil
	}
	var segs []string
	if path != "/" {
		segs = strings.Split(path[1:], "/")
	}
	return plainSegments(want, segs, rest, strict)
}

func plainSegments(want, segs []string, rest, strict bool) bool {
	if len(want) == 0 {
		return len(segs) == 0 || rest || len(segs) == 1 && segs[0] == "" && !strict
	}
	if want[0] == "**" {
		for i := range len(segs) + 1 {
			if plainSegments(want[1:], segs[i:], rest, strict) {
				return true
			}
		}
		return false
	}
	if len(segs) == 0 {
		return false
	}
	one := want[0] == segs[0]
	switch {
	case want[0] == "*" || strings.HasPrefix(want[0], "{"):
		one = segs[0] != ""
	case strings.ContainsAny(want[0], "*?"):
		one = plainGlob(want[0], segs[0])
	}
	return one && plainSegments(want[1:], segs[1:], rest, strict)
}

func plainGlob(want, s string) bool {
	if want == "" {
		return s == ""
	}
	if want[0] == '*' {
		for i := range len(s) + 1 {
			if plainGlob(want[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	return s != "" && (want[0] == '?' || want[0] == s[0]) && plainGlob(want[1:], s[1:])
}
