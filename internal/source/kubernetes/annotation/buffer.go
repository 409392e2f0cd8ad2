package annotation

// Buffers is how long bodies may be and where they wait.
type Buffers struct{}

func bufferFamily() family {
	return family{name: "Bodies and buffers", rows: []Annotation{
		{Name: "proxy-body-size", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "client-body-buffer-size", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-request-buffering", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-buffering", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-buffer-size", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-buffers-number", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-busy-buffers-size", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
		{Name: "proxy-max-temp-file-size", Scope: OwnPaths, Verdict: Ignored, Note: notYet},
	}}
}
