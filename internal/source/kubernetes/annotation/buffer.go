package annotation

// Buffers is how long bodies may be and where they wait.
type Buffers struct {
	BodySize int64 // of a request, in bytes; 0 = no limit
	Gather   int64 // up to which a request body is read whole before an endpoint is asked; 0 = the engine's own
}

func bufferFamily() family {
	const streams = "bodies stream: neither requests nor answers wait in buffers or files unless a filter asks for them"
	return family{name: "Bodies and buffers", rows: []Annotation{
		{Name: "proxy-body-size", Scope: OwnPaths, Verdict: Supported, read: func(v *value) { v.size(&v.s.Buffers.BodySize) }},
		{Name: "client-body-buffer-size", Scope: OwnPaths, Verdict: Differs, read: func(v *value) { v.size(&v.s.Buffers.Gather) },
			Note: "a body of this size or less, and any of 64 KiB or less, is read whole before an endpoint is asked: above 64 KiB in a file; a larger one streams"},
		{Name: "proxy-request-buffering", Scope: OwnPaths, Verdict: Ignored, Note: streams},
		{Name: "proxy-buffering", Scope: OwnPaths, Verdict: Ignored, Note: streams},
		{Name: "proxy-buffer-size", Scope: OwnPaths, Verdict: Ignored, Note: "the head of an answer may have 64 KiB"},
		{Name: "proxy-buffers-number", Scope: OwnPaths, Verdict: Ignored, Note: streams},
		{Name: "proxy-busy-buffers-size", Scope: OwnPaths, Verdict: Ignored, Note: streams},
		{Name: "proxy-max-temp-file-size", Scope: OwnPaths, Verdict: Ignored, Note: streams},
	}}
}
