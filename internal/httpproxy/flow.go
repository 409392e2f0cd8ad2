package httpproxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"paifang/internal/counter"
	"paifang/internal/model"
)

// listenerCounters are what is counted of a listener besides the requests of its series. They are the same in all
// generations.
type listenerCounters struct {
	id         model.ListenerID
	refs       int    // under the set's lock: ports, and series of routes
	past       Totals // of series that went, under the set's lock
	flow       *counter.Sharded[flow]
	handshakes [2]atomic.Uint64 // TLS: full, resumed
	failures   *counter.Keyed[HandshakeFailure]
	calmed     atomic.Uint64 // connections of HTTP/2 that were ended because they only cost
}

// flow is what changes with every request, in one shard.
type flow struct {
	begun           atomic.Uint64 // requests; those that have ended are in their series
	streams, resets atomic.Uint64 // of HTTP/2
	_               [128]byte
}

// listener returns the counters of a listener for one of its ports; giveListener must follow. Series keep them too, so
// that a listener that comes back goes on with its own.
func (s *counterSet) listener(id model.ListenerID) *listenerCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.listeners[id]
	if l == nil {
		l = &listenerCounters{id: id, flow: counter.New[flow](s.shards), failures: counter.NewKeyed(1, maxCodes, FailedOther)}
		s.listeners[id] = l
	}
	l.refs++
	return l
}

func (s *counterSet) giveListener(l *listenerCounters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseListener(l)
}

// releaseListener gives one use back. The lock is held.
func (s *counterSet) releaseListener(l *listenerCounters) {
	if l.refs--; l.refs > 0 {
		return
	}
	delete(s.listeners, l.id)
	delete(s.gone.requests, l)
	kept := slices.DeleteFunc(slices.Clone(*s.none.series.Load()), func(x *series) bool { return x.listener == l })
	s.none.series.Store(&kept)
}

// enter counts a request that begins. Its record ends it.
func (l *listenerCounters) enter(shard uint32) { l.flow.At(shard).begun.Add(1) }

// stream counts a stream of HTTP/2 that was opened, reset one that was reset, by whichever side.
func (l *listenerCounters) stream(shard uint32) { l.flow.At(shard).streams.Add(1) }

func (l *listenerCounters) reset(shard uint32) { l.flow.At(shard).resets.Add(1) }

// handshook counts the end of a TLS handshake, good or bad.
func (l *listenerCounters) handshook(state tls.ConnectionState, err error) {
	switch {
	case err != nil:
		l.failures.Add(0, handshakeFailure(err))
	case state.DidResume:
		l.handshakes[1].Add(1)
	default:
		l.handshakes[0].Add(1)
	}
}

// HandshakeFailure is why a TLS handshake came to nothing.
type HandshakeFailure string

// The causes. Those that only the text of the error tells apart are few, and a test makes each.
const (
	FailedTimeout     HandshakeFailure = "timeout"            // it was not done in time
	FailedClosed      HandshakeFailure = "client-closed"      // the client went away
	FailedNotTLS      HandshakeFailure = "not-tls"            // the client speaks something else
	FailedVersion     HandshakeFailure = "version"            // no version of TLS in common
	FailedCipher      HandshakeFailure = "cipher"             // no cipher suite or curve in common
	FailedProtocol    HandshakeFailure = "alpn"               // no application protocol in common
	FailedCertificate HandshakeFailure = "client-certificate" // the client's is missing, or not accepted
	FailedAlert       HandshakeFailure = "alert"              // the client said no: it does not like our certificate, for one
	FailedOther       HandshakeFailure = "other"
)

func handshakeFailure(err error) HandshakeFailure {
	var notTLS tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var op *net.OpError
	text := err.Error()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return FailedTimeout
	case errors.As(err, &notTLS):
		return FailedNotTLS
	case errors.As(err, &verify), strings.Contains(text, "client didn't provide a certificate"):
		return FailedCertificate
	case errors.As(err, &op) && op.Op == "remote error":
		return FailedAlert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &op) && op.Op != "local error":
		return FailedClosed
	case strings.Contains(text, "unsupported versions"), strings.Contains(text, "protocol version"):
		return FailedVersion
	case strings.Contains(text, "no cipher suite supported"), strings.Contains(text, "no key exchanges"), strings.Contains(text, "no ECDHE curve"):
		return FailedCipher
	case strings.Contains(text, "application protocol"):
		return FailedProtocol
	}
	return FailedOther
}
