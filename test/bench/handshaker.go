package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// handshakerCommand is the first argument of this program when it is the load of full handshakes.
const handshakerCommand = "handshaker"

// fullHandshakes is a load of TLS handshakes, none of which resumes a session. wrk and h2load give a session back to the
// next connection, so that what they make are resumptions: the server signs nothing then. The key exchange is X25519, which is
// what OpenSSL of Debian 12 offers.
func fullHandshakes(connections int) load {
	return func(ctx context.Context, b *bench, c contender) (float64, float64, error) {
		self, err := os.Executable()
		if err != nil {
			return 0, 0, err
		}
		cmd := exec.CommandContext(ctx, "taskset", "-c", loadCore, self, handshakerCommand, c.tls(), strconv.Itoa(connections), b.length.String())
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w\n%s", handshakerCommand, err, out)
		}
		var n, seconds float64
		if _, err := fmt.Sscan(string(out), &n, &seconds); err != nil {
			return 0, 0, fmt.Errorf("%s printed %q: %w", handshakerCommand, out, err)
		}
		return n, seconds, nil
	}
}

// handshake makes connections, so many at a time, with a request on each, and prints how many there were and in how many
// seconds.
func handshake(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: handshaker ADDRESS:PORT CONNECTIONS TIME")
	}
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	length, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	var done atomic.Int64
	failed := make([]error, connections)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			for time.Since(began) < length && failed[i] == nil {
				if failed[i] = handshakeOnce(args[0]); failed[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	fmt.Println(done.Load(), time.Since(began).Seconds())
	return nil
}

// handshakeOnce makes a connection and a request on it. A session that was resumed, and an answer that is no 200, are errors.
func handshakeOnce(at string) error {
	const patience = 10 * time.Second
	nc, err := net.DialTimeout("tcp", at, patience)
	if err != nil {
		return err
	}
	defer func() { _ = nc.Close() }()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	c := tls.Client(nc, &tls.Config{ServerName: "bench.test", InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: []string{"http/1.1"}})
	if _, err := io.WriteString(c, "GET /100 HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode != http.StatusOK || n != 100:
		return fmt.Errorf("answered %s with %d bytes", answer.Status, n)
	case c.ConnectionState().DidResume:
		return errors.New("a session was resumed")
	}
	return nil
}
