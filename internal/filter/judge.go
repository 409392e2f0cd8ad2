package filter

import (
	"paifang/internal/http1"
	"paifang/internal/model"
)

// Judge is told what came of sending a request to its upstream, and may have something else answered. It is for filters whose request
// phase let the request pass.
type Judge interface {
	// Judge is told the status that the client would get, and why it is our own; code is empty where the upstream has answered.
	// Continue gives that answer; Respond gives the one that Exchange.Respond has filled; Reroute has the request looked up again.
	Judge(x *Exchange, status int, code model.Code) Verdict
}

// JudgedBy has j told once what came of the request.
func (x *Exchange) JudgedBy(j Judge) { x.judges = append(x.judges, j) }

// Judged tells the judges, the one that was added last first, until one decides. Each is told once. It is for the engine.
func (x *Exchange) Judged(status int, code model.Code) Verdict {
	for len(x.judges) > 0 {
		last := len(x.judges) - 1
		j := x.judges[last]
		x.judges[last] = nil
		x.judges = x.judges[:last]
		if v := j.Judge(x, status, code); v != Continue {
			x.settled = v == Respond
			return v
		}
	}
	return Continue
}

// Reroute has the request looked up again on its listener, as one for this path: a filter or a judge returns what it returns. It
// becomes a request of the route that is found, with that route's filters and no others. Without credentials it is one without
// Authorization and Cookie: they are meant for who was asked first.
func (x *Exchange) Reroute(path string, credentials bool) Verdict {
	x.rerouted, x.stripped = path, !credentials
	return Reroute
}

// Rerouted is the path that the request is looked up with again. Who judged it before does so no more. It is for the engine.
func (x *Exchange) Rerouted() string {
	if x.stripped {
		x.Request.Fields.DelFunc(http1.Credential)
	}
	x.dropJudges()
	x.releaseTaps()
	x.transforms.release()
	return x.rerouted
}

func (x *Exchange) dropJudges() {
	clear(x.judges)
	x.judges = x.judges[:0]
}
