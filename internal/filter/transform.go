package filter

import "paifang/internal/model"

// CodeUnchanged is why an answer is not given: its body could not be changed as a filter of the route says, and is not sent
// without. The client gets 502, or, where a part of the body has left, a broken answer.
const CodeUnchanged model.Code = "answer-not-changed"

// Transform changes the body of one answer while it passes, part by part. What it appends to dst leaves; an error ends the answer.
// dst and part are the engine's: a transform keeps neither.
type Transform interface {
	// Append takes the next part.
	Append(dst, part []byte) ([]byte, error)
	// Flush is called when the upstream pauses: a transform that works for a stream gives out what it holds.
	Flush(dst []byte) ([]byte, error)
	// Finish is called once, when the body is complete. It is not where the answer breaks off.
	Finish(dst []byte) ([]byte, error)
	// Release is called once, when the exchange is over, whichever way it ended.
	Release()
}

// Ending is a Transform that looks at what stands behind the body (RFC 9110, 6.5). What it has looked at is not sent on.
type Ending interface {
	Transform
	// Trailers is called once, before Finish; get returns the first value of a name in lower case. It is not called where the
	// upstream does not speak HTTP/2.
	Trailers(get func(name string) string)
}

// How says what a transform does to the framing of an answer.
type How uint8

// The ways.
const (
	// SameBody: every byte leaves as it came, at once.
	SameBody How = iota
	// OtherBody: the length is another, and not known before.
	OtherBody
	// WholeBody: nothing leaves before Finish, the head of the answer included, so that there can be another answer, and Finish may
	// change status and fields.
	WholeBody
)

// transforms are those of one exchange, in the order in which bytes pass through them.
type transforms struct {
	list  []Transform
	how   How
	rooms [2][]byte // that one step writes to while the next one reads the other
}

// Transform has the body of the answer pass through t. It is for response phases: those that run first are nearest to the
// upstream. A filter looks before whether the answer has a body.
func (x *Exchange) Transform(t Transform, how How) {
	if x.dropped { // which a filter may not have seen
		t.Release()
		return
	}
	x.transforms.list = append(x.transforms.list, t)
	x.transforms.how = max(x.transforms.how, how)
}

// Transformed tells whether the body passes through anything. What follows is for the engine.
func (x *Exchange) Transformed() bool { return len(x.transforms.list) > 0 }

// Transforms tells what becomes of the framing.
func (x *Exchange) Transforms() How { return x.transforms.how }

// TransformPart returns what leaves for a part of the body. It is valid until the next call.
func (x *Exchange) TransformPart(part []byte) ([]byte, error) {
	t := &x.transforms
	for i, one := range t.list {
		if len(part) == 0 { // the one before holds it
			return nil, nil
		}
		room := &t.rooms[i%2]
		var err error
		if *room, err = one.Append((*room)[:0], part); err != nil {
			return nil, err
		}
		part = *room
	}
	return part, nil
}

// TransformTrailers tells those that look at what stands behind the body, and whether any does.
func (x *Exchange) TransformTrailers(get func(name string) string) (told bool) {
	for _, t := range x.transforms.list {
		if e, ok := t.(Ending); ok {
			e.Trailers(get)
			told = true
		}
	}
	return told
}

// TransformPause returns what leaves when the upstream pauses.
func (x *Exchange) TransformPause() ([]byte, error) { return x.transforms.end(Transform.Flush) }

// TransformEnd returns what leaves when the body is complete.
func (x *Exchange) TransformEnd() ([]byte, error) { return x.transforms.end(Transform.Finish) }

func (t *transforms) end(step func(Transform, []byte) ([]byte, error)) (part []byte, err error) {
	for i, one := range t.list {
		room := &t.rooms[i%2]
		*room = (*room)[:0]
		if len(part) > 0 {
			if *room, err = one.Append(*room, part); err != nil {
				return nil, err
			}
		}
		if *room, err = step(one, *room); err != nil {
			return nil, err
		}
		part = *room
	}
	return part, nil
}

// keptRoom is how much of a room the next exchange finds.
const keptRoom = 128 << 10

func (t *transforms) release() {
	if len(t.list) == 0 {
		return
	}
	for _, one := range t.list {
		one.Release()
	}
	clear(t.list)
	t.list, t.how = t.list[:0], SameBody
	for i := range t.rooms {
		if cap(t.rooms[i]) > keptRoom {
			t.rooms[i] = nil
		}
	}
}
