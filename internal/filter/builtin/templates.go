package builtin

import "paifang/internal/filter"

var (
	_ filter.Templated = Headers{}
	_ filter.Templated = Redirect{}
	_ filter.Templated = Query{}
	_ filter.Templated = SetPath{}
	_ filter.Templated = PrefixPath{}
	_ filter.Templated = CircuitBreaker{}
)

// Templates are the values.
func (c Headers) Templates() (out []string) {
	for _, list := range [...][]Header{c.Set, c.Default, c.Add} {
		for _, h := range list {
			out = append(out, h.Value)
		}
	}
	return out
}

// Templates are where to.
func (c Redirect) Templates() []string { return []string{c.Location, c.Path} }

// Templates are the values.
func (c Query) Templates() (out []string) {
	for _, list := range [...][]Parameter{c.Add, c.Rewrite} {
		for _, p := range list {
			out = append(out, p.Value)
		}
	}
	return out
}

// Templates are the path.
func (c SetPath) Templates() []string { return []string{c.Template} }

// Templates are what stands in front.
func (c PrefixPath) Templates() []string { return []string{c.Prefix} }

// Templates are the path of the fallback.
func (c CircuitBreaker) Templates() []string { return []string{c.Reroute()} }
