package filter

import "paifang/internal/http1"

// Bodyless tells whether answers of a status have no body (RFC 9110, 6.4.1 and 15.3.6).
func Bodyless(status int) bool {
	return status < 200 || status == 204 || status == 205 || status == 304
}

// DropBody has the answer leave without its body, under the status that it has now. It is for response phases.
func (x *Exchange) DropBody() {
	x.transforms.release() // nobody is given what they would make
	x.dropped, x.Body = true, ""
	r := &x.Response
	r.Body, r.ContentLength = http1.NoBody, -1
	if r.Status == 205 { // it says that there is none; the others cannot say otherwise
		r.Body, r.ContentLength = http1.SizedBody, 0
	}
	if r.Status != 304 { // which speaks of what the client has
		for _, name := range [...]string{"Content-Type", "Content-Encoding", "Content-Range", "Trailer"} {
			r.Fields.Del(name)
		}
	}
}

// BodyDropped tells whether the body of the answer that was received does not leave. It is for the engine.
func (x *Exchange) BodyDropped() bool { return x.dropped }

// Settled tells whether the answer is one that a filter has given in place of the upstream, or one of our own for what went wrong: its
// status stays. What a filter had kept of the upstream's is none.
func (x *Exchange) Settled() bool { return x.settled && !x.Stored || x.Code != "" }
