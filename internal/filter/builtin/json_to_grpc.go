package builtin

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/grpcjson"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// JSONToGRPC configures "json-to-grpc": a request in JSON becomes a call of a unary method, and what the call comes to JSON again.
// The upstream has to speak HTTP/2. The filter makes path and body anew, so it stands behind those that change them.
type JSONToGRPC struct {
	Service     string `json:"service"`            // in full, "shop.v1.Orders", or its last part where no other one has that
	Method      string `json:"method"`             // unary
	Descriptors []byte `json:"descriptors"`        // what protoc writes with --include_imports --descriptor_set_out, in base64; at most 1 MiB
	MaxBytes    int64  `json:"maxBytes,omitempty"` // of the request's JSON, and of the message that answers it; default 1 MiB, at most 16 MiB
}

// Codes of requests that cannot become a call.
const (
	CodeNotJSON    model.Code = "not-json"            // 400 or 415: the body is not the JSON of the method's request
	CodeMethodCall model.Code = "method-not-for-call" // 405: the request's method has no body to make a call of
)

// Validate refuses what names no method.
func (c JSONToGRPC) Validate() error {
	if c.MaxBytes < 0 || c.MaxBytes > maxJSONBytes {
		return fmt.Errorf("maxBytes is %d: want up to %d", c.MaxBytes, int64(maxJSONBytes))
	}
	_, err := c.find()
	return err
}

func (c JSONToGRPC) find() (*grpcjson.Method, error) {
	for _, f := range []struct {
		name  string
		empty bool
	}{{"service", c.Service == ""}, {"method", c.Method == ""}, {"descriptors", len(c.Descriptors) == 0}} {
		if f.empty {
			return nil, fmt.Errorf("%s is missing", f.name)
		}
	}
	return grpcjson.Find(c.Descriptors, c.Service, c.Method)
}

func jsonToGRPCKind() filter.Kind {
	return filter.Define("json-to-grpc", func(c JSONToGRPC, _ filter.Env) (filter.Filter, error) {
		m, err := c.find()
		setDefault(&c.MaxBytes, defaultJSONBytes)
		return &jsonToGRPC{m, c.MaxBytes}, err
	})
}

type jsonToGRPC struct {
	method *grpcjson.Method
	limit  int64
}

var (
	_ filter.BodyFilter     = (*jsonToGRPC)(nil)
	_ filter.ResponseFilter = (*jsonToGRPC)(nil)
)

// BodyLimit has the engine read the body.
func (f *jsonToGRPC) BodyLimit() int64 { return f.limit }

// Request makes the call of the request.
func (f *jsonToGRPC) Request(x *filter.Exchange) filter.Verdict {
	r := &x.Request
	switch r.Method {
	case "POST", "PUT", "PATCH", "DELETE":
	default:
		x.Respond(405, CodeMethodCall, "This is asked for with POST.\n")
		x.Response.Fields.Set("Allow", "POST")
		return filter.Respond
	}
	var text []byte
	if x.RequestBody != nil {
		text = make([]byte, x.RequestBody.Size())
		if n, err := x.RequestBody.ReadAt(text, 0); n < len(text) && err != nil && !errors.Is(err, io.EOF) {
			return x.Respond(500, CodeNotJSON, "")
		}
		kind, coded := r.Fields.Get("Content-Type"), r.Fields.Get("Content-Encoding")
		if kind != "" && !isJSON(kind) || coded != "" && !http1.EqualFold(coded, "identity") {
			return x.Respond(415, CodeNotJSON, "The body of this request has to be JSON that is not compressed.\n")
		}
	}
	body, err := f.method.Request(text)
	if err != nil {
		return notJSON(x, err)
	}
	x.KeepAcceptEncoding()
	r.Fields.DelFunc(notForCall)
	r.Fields.Set("Content-Type", "application/grpc")
	r.Fields.Set("TE", "trailers")
	if d := waits(x.Route); d > 0 {
		r.Fields.Set("Grpc-Timeout", strconv.FormatInt(d.Milliseconds(), 10)+"m")
	}
	r.Method, r.Path = "POST", f.method.Path()
	x.ReplaceBody(body)
	x.Foreign = true
	if err := r.SetQuery(""); err != nil {
		return x.Respond(500, CodeNotJSON, "")
	}
	return filter.Continue
}

// maxTold bounds what a client is told of its own body.
const maxTold = 300

// notJSON tells the client, in JSON, what of its body is wrong.
func notJSON(x *filter.Exchange, err error) filter.Verdict {
	text := strings.TrimPrefix(err.Error(), "grpcjson: read request: ")
	if len(text) > maxTold {
		text = strings.ToValidUTF8(text[:maxTold], "") + "…"
	}
	s := grpcjson.Status{Code: 3, Message: text} // INVALID_ARGUMENT
	x.Respond(400, CodeNotJSON, string(s.JSON()))
	x.Response.Fields.Set("Content-Type", "application/json")
	return filter.Respond
}

// notForCall tells fields that say something of the client's own body and of the answer it takes, and those that gRPC gives a meaning.
func notForCall(name string) bool {
	for _, n := range []string{"Accept", "Accept-Encoding", "Content-Encoding", "Content-MD5", "Digest", "Content-Digest", "Repr-Digest", "Range", "If-Range"} {
		if http1.SameName(name, n) {
			return true
		}
	}
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "grpc-") || strings.HasSuffix(lower, "-bin")
}

// maxGRPCTimeout is what eight digits of milliseconds hold (gRPC over HTTP/2, "Timeout").
const maxGRPCTimeout = 99_999_999 * time.Millisecond

// waits is how long the route waits for an answer, as far as it says so.
func waits(route *snapshot.Route) time.Duration {
	if route == nil {
		return 0
	}
	t := &route.Timeouts
	d := t.Response
	if t.Request > 0 && (d <= 0 || t.Request < d) {
		d = t.Request
	}
	if d < time.Millisecond || d > maxGRPCTimeout {
		return 0
	}
	return d
}

// Response has what the call comes to written as JSON. What is no answer of gRPC passes as it is.
func (f *jsonToGRPC) Response(x *filter.Exchange) {
	r := &x.Response
	if x.Code != "" || r.Status != 200 || !isGRPCType(r.Fields.Get("Content-Type")) {
		return
	}
	a := &callAnswer{filter: f, x: x}
	a.status, a.told = grpcjson.ReadStatus(r.Fields.Get("Grpc-Status"), r.Fields.Get("Grpc-Message"))
	r.Fields.DelFunc(func(name string) bool {
		lower := strings.ToLower(name)
		return strings.HasPrefix(lower, "grpc-") || strings.HasSuffix(lower, "-bin") || lower == "trailer"
	})
	r.Fields.Set("Content-Type", "application/json")
	otherBytes(r)
	x.Transform(a, filter.WholeBody)
}

func isGRPCType(contentType string) bool {
	const kind = "application/grpc"
	if len(contentType) < len(kind) || !http1.EqualFold(contentType[:len(kind)], kind) {
		return false
	}
	rest := contentType[len(kind):]
	return rest == "" || rest[0] == '+' || rest[0] == ';'
}

var (
	errCallAnswer = errors.New("the answer is longer than is taken")
	errCallStatus = errors.New("the call has no status")
)

// callAnswer holds the answer of a call until its status is known.
type callAnswer struct {
	filter *jsonToGRPC
	x      *filter.Exchange
	held   []byte
	status grpcjson.Status
	told   bool // there is a status
}

var _ filter.Ending = (*callAnswer)(nil)

func (a *callAnswer) Append(dst, part []byte) ([]byte, error) {
	if int64(len(a.held)+len(part)) > a.filter.limit {
		return dst, errCallAnswer
	}
	a.held = append(a.held, part...)
	return dst, nil
}

func (a *callAnswer) Flush(dst []byte) ([]byte, error) { return dst, nil }

// Trailers takes the status that stands behind the message.
func (a *callAnswer) Trailers(get func(name string) string) {
	if s, ok := grpcjson.ReadStatus(get("grpc-status"), get("grpc-message")); ok {
		a.status, a.told = s, true
	}
}

func (a *callAnswer) Finish(dst []byte) ([]byte, error) {
	r := &a.x.Response
	switch {
	case !a.told:
		return dst, errCallStatus
	case a.status.Code != 0:
		r.Status, r.Reason = a.status.HTTP(), ""
		return append(dst, a.status.JSON()...), nil
	}
	text, err := a.filter.method.Answer(a.held)
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

func (a *callAnswer) Release() { a.held = nil }
