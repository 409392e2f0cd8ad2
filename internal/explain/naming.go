package explain

import (
	"fmt"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// namingAsk is what the naming of a route sees of a request.
type namingAsk struct {
	*asked
	captures [snapshot.MaxCaptures]snapshot.Capture
	captured int
}

var _ snapshot.NamingRequest = (*namingAsk)(nil)

// LookupHost returns the host that was asked for.
func (a *namingAsk) LookupHost() string { return a.http.Host }

// LookupVariable returns a variable of the route's path.
func (a *namingAsk) LookupVariable(name string) (string, bool) {
	for _, c := range a.captures[:a.captured] {
		if c.Name == name {
			return c.Value, true
		}
	}
	return "", false
}

// decideNamed asks the naming that serves. What filters make of the request is not known here.
func (x *walker) decideNamed(r *snapshot.Route) (snapshot.Named, model.Code) {
	if r.Naming == nil {
		return snapshot.Named{Target: -1}, ""
	}
	a := &namingAsk{asked: x.a}
	a.captured = r.Captures(x.a.http.Path, x.a.http.Host, &a.captures)
	return r.Naming.Decide(a)
}

// namedTarget says which target the request names, and the path that it is sent with; -1 where it names none.
func (x *walker) namedTarget(r *snapshot.Route) (text string, target int) {
	n, _ := x.decideNamed(r)
	if n.Target < 0 {
		return "", -1
	}
	path := n.Path
	if n.Query != "" {
		path += "?" + n.Query
	}
	return fmt.Sprintf(", which the request names, with the path %s", path), n.Target
}

// refusesNamed is a request that names a target it may not be sent to.
func (x *walker) refusesNamed(r *snapshot.Route, text, source string) bool {
	_, code := x.decideNamed(r)
	if code == "" {
		return false
	}
	status := 400
	if code == snapshot.CodeTargetUnknown {
		status = 403
	}
	x.endStatus("route", text+", refused: "+string(code)+in(source), source, status, string(code))
	return true
}
