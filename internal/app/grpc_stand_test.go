package app

import (
	"context"
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// callServer is a gRPC server with the health service. "order" is well; what it says of others is in their names.
type callServer struct {
	healthpb.UnimplementedHealthServer
	of *health.Server
}

func (s *callServer) Check(ctx context.Context, q *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	in, _ := metadata.FromIncomingContext(ctx)
	deadline := "none"
	if at, ok := ctx.Deadline(); ok && time.Until(at) < 3*time.Second {
		deadline = "soon"
	}
	head := metadata.Pairs("x-user", strings.Join(in.Get("x-user"), " "), "x-deadline", deadline, "x-raw-bin", "\x00\x01")
	switch q.Service {
	case "busy":
		return nil, status.Error(codes.ResourceExhausted, `too "many"`)
	case "late": // its status stands behind an answer that has begun
		if err := grpc.SendHeader(ctx, head); err != nil {
			return nil, err
		}
		return nil, status.Error(codes.NotFound, "no such thing")
	}
	if err := grpc.SetHeader(ctx, head); err != nil {
		return nil, err
	}
	return s.of.Check(ctx, q)
}

// newCallServer returns the address of one, and the descriptors of what it serves.
func newCallServer(t testing.TB) (addr string, descriptors []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	of := health.NewServer()
	of.SetServingStatus("order", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(s, &callServer{of: of})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	file := protodesc.ToFileDescriptorProto(healthpb.File_grpc_health_v1_health_proto)
	descriptors, err = proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String(), descriptors
}

// descriptorText is a set of descriptors as documents have it.
func descriptorText(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
