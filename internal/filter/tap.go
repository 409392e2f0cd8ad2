package filter

// Tap is given the body of one request while it is read from the client, so that there can be a copy of it. What it does is on the
// way of the request: no method blocks, and none keeps what it is given. They are called by one goroutine at a time.
type Tap interface {
	// Part is given what comes next of the body.
	Part(part []byte)
	// Complete is called at most once, when the request is sent on and all of its body was given.
	Complete()
	// Release is called once, when nothing more comes, whichever way the request went.
	Release()
}

// Tap has t given what is read of the request's body from now on, and told when the request is sent on whole. It is for request
// phases. What a filter before had read whole is in RequestBody, and comes no more.
func (x *Exchange) Tap(t Tap) {
	r := x.rarely()
	r.taps = append(r.taps, t)
}

// Tapped tells whether anybody is given the body. It and what follows are for the engine.
func (x *Exchange) Tapped() bool { return x.rare != nil && len(x.rare.taps) > 0 }

// TapPart gives the taps what comes next of the body.
func (x *Exchange) TapPart(part []byte) {
	if !x.Tapped() {
		return
	}
	for _, t := range x.rare.taps {
		t.Part(part)
	}
}

// TapEnd tells the taps that the request is sent on and that they have all of its body.
func (x *Exchange) TapEnd() {
	if !x.Tapped() {
		return
	}
	for _, t := range x.rare.taps {
		t.Complete()
	}
	x.releaseTaps()
}

func (x *Exchange) releaseTaps() {
	if !x.Tapped() {
		return
	}
	r := x.rare
	for _, t := range r.taps {
		t.Release()
	}
	clear(r.taps)
	r.taps = r.taps[:0]
}
