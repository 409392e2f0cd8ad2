package trace

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"paifang/internal/model"
)

// client is a way to a collector.
type client interface {
	// send sends a message, once, and returns how many of its spans were rejected all the same.
	send(ctx context.Context, m *collector.ExportTraceServiceRequest) (rejected int64, err error)
	io.Closer
}

// newClient connects to nobody yet.
func newClient(to model.Collector) client {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if to.HTTP {
		t := &http.Transport{TLSClientConfig: secure, MaxIdleConns: 1, ForceAttemptHTTP2: true}
		return &overHTTP{url: to.At, client: http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	}
	c := grpc.WithTransportCredentials(insecure.NewCredentials())
	if to.TLS {
		c = grpc.WithTransportCredentials(credentials.NewTLS(secure))
	}
	conn, err := grpc.NewClient("dns:///"+to.At, c, grpc.WithNoProxy())
	if err != nil {
		return unusable{err}
	}
	return &overGRPC{conn, collector.NewTraceServiceClient(conn)}
}

// overGRPC is the gRPC service of OTLP.
type overGRPC struct {
	conn    *grpc.ClientConn
	service collector.TraceServiceClient
}

func (c *overGRPC) send(ctx context.Context, m *collector.ExportTraceServiceRequest) (int64, error) {
	answer, err := c.service.Export(ctx, m)
	if err != nil {
		return 0, err
	}
	return answer.GetPartialSuccess().GetRejectedSpans(), nil
}

// Close ends the connection.
func (c *overGRPC) Close() error { return c.conn.Close() }

// overHTTP posts the same messages.
type overHTTP struct {
	url    string
	client http.Client
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// refusal is an answer that is not 2xx.
type refusal int

// Error names the status.
func (r refusal) Error() string {
	return fmt.Sprintf("it answers %d %s", int(r), http.StatusText(int(r)))
}

func (c *overHTTP) send(ctx context.Context, m *collector.ExportTraceServiceRequest) (int64, error) {
	body, err := proto.Marshal(m)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := c.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode/100 != 2 {
		return 0, refusal(answer.StatusCode)
	}
	var said collector.ExportTraceServiceResponse
	if err != nil || proto.Unmarshal(text, &said) != nil {
		return 0, nil // it has taken them, and says nothing that could be read
	}
	return said.GetPartialSuccess().GetRejectedSpans(), nil
}

// Close ends the connection.
func (c *overHTTP) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

// unusable is a collector whose address cannot be used.
type unusable struct{ err error }

func (u unusable) send(context.Context, *collector.ExportTraceServiceRequest) (int64, error) {
	return 0, u.err
}

// Close does nothing.
func (unusable) Close() error { return nil }

// lasting tells an error that a second try would meet again, as OTLP has it.
func lasting(err error) bool {
	if r, ok := errors.AsType[refusal](err); ok {
		return r != 429 && r != 502 && r != 503 && r != 504
	}
	s, ok := status.FromError(err)
	if !ok {
		return false // of the connection
	}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss, codes.ResourceExhausted:
		return false
	}
	return true
}
