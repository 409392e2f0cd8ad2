package grpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // one of the cases asks for it
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// cases are those of grpc's interop-test-descriptions that ask nothing of the environment.
func cases() map[string]func(context.Context, *grpc.ClientConn) {
	on := func(f func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption), args ...grpc.CallOption) func(context.Context, *grpc.ClientConn) {
		return func(ctx context.Context, c *grpc.ClientConn) { f(ctx, testgrpc.NewTestServiceClient(c), args...) }
	}
	zip := grpc.UseCompressor("gzip")
	return map[string]func(context.Context, *grpc.ClientConn){
		"empty_unary":                 on(interop.DoEmptyUnaryCall),
		"large_unary":                 on(interop.DoLargeUnaryCall),
		"large_unary_gzip":            on(interop.DoLargeUnaryCall, zip),
		"client_streaming":            on(interop.DoClientStreaming),
		"client_streaming_gzip":       on(interop.DoClientStreaming, zip),
		"server_streaming":            on(interop.DoServerStreaming),
		"server_streaming_gzip":       on(interop.DoServerStreaming, zip),
		"ping_pong":                   on(interop.DoPingPong),
		"ping_pong_gzip":              on(interop.DoPingPong, zip),
		"empty_stream":                on(interop.DoEmptyStream),
		"timeout_on_sleeping_server":  on(interop.DoTimeoutOnSleepingServer),
		"cancel_after_begin":          on(interop.DoCancelAfterBegin),
		"cancel_after_first_response": on(interop.DoCancelAfterFirstResponse),
		"custom_metadata":             on(interop.DoCustomMetadata),
		"status_code_and_message":     on(interop.DoStatusCodeAndMessage),
		"special_status_message":      on(interop.DoSpecialStatusMessage),
		"unimplemented_method":        interop.DoUnimplementedMethod,
		"unimplemented_service": func(ctx context.Context, c *grpc.ClientConn) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(c))
		},
	}
}

const (
	caseVariable = "PAIFANG_TEST_GRPC_CASE"
	addrVariable = "PAIFANG_TEST_GRPC_ADDRESS"
	tlsVariable  = "PAIFANG_TEST_GRPC_TLS"
)

// asCase makes one case, where this process was started for that. A case that fails ends its process, which is why each has
// one.
func asCase() bool {
	name := os.Getenv(caseVariable)
	if name == "" {
		return false
	}
	creds := insecure.NewCredentials()
	if os.Getenv(tlsVariable) != "" {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	c, err := grpc.NewClient("passthrough:///"+os.Getenv(addrVariable), grpc.WithTransportCredentials(creds), grpc.WithAuthority("shop.test"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cases()[name](ctx, c)
	return true
}

func TestInterop(t *testing.T) {
	srv := serve(t, interop.NewTestServer())
	s := start(t, srv.addr)
	for _, over := range []struct{ name, addr, tls string }{{"h2c", s.clear, ""}, {"TLS", s.secure, "1"}} {
		for name := range cases() {
			t.Run(over.name+"/"+name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				cmd := exec.CommandContext(ctx, os.Args[0])
				cmd.Env = append(os.Environ(), caseVariable+"="+name, addrVariable+"="+over.addr, tlsVariable+"="+over.tls)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// TestCasesCanFail: a case that goes wrong is seen.
func TestCasesCanFail(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), caseVariable+"=empty_unary", addrVariable+"="+free(t, 1)[0])
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("%s", out)
	}
}
