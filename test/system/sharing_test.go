package system

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// perConnection is how many clients of a load share a connection of HTTP/2.
const perConnection = 8

// clear2 speaks HTTP/2 in clear text by prior knowledge, secure2 over TLS without asking who answers.
func clear2() *http.Transport {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: &p}
}

func secure2() *http.Transport {
	var p http.Protocols
	p.SetHTTP2(true)
	return &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

// sharing returns what each client of a load does in HTTP/2: it asks one question after the other, on a connection that
// others use too.
func (l *load) sharing() func() {
	var turn atomic.Int64
	transports := make([]*http.Transport, (l.users+perConnection-1)/perConnection)
	for i := range transports {
		transports[i] = l.http2()
		if secure := transports[i].TLSClientConfig; secure != nil {
			secure.ServerName = l.host
		}
		l.ended = append(l.ended, transports[i].CloseIdleConnections)
	}
	return func() {
		me := int(turn.Add(1) - 1)
		transport := transports[me/perConnection]
		var mine []outcome
		for nth := 1; !l.stopped(); nth++ {
			o := l.askShared(transport)
			o.Conn, o.Nth = int64(me/perConnection), nth
			mine = append(mine, o)
			l.wait(l.pause)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.outcomes = append(l.outcomes, mine...)
	}
}

func (l *load) askShared(transport *http.Transport) (o outcome) {
	o.N, o.Start = l.next.Add(1), time.Now()
	defer func() { o.End = time.Now() }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tries := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { tries++ }})
	scheme, method, body := "http", "GET", strings.NewReader("")
	if transport.Protocols.HTTP2() {
		scheme = "https"
	}
	if l.post {
		method, body = "POST", strings.NewReader("body")
	}
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("%s://%s%s%d", scheme, l.to, l.prefix, o.N), body)
	if err != nil {
		o.Err = err.Error()
		return o
	}
	// The client may take a body once more: it does where the connection that it had chosen was asked to go before a byte was
	// written. That a request is written again shows in tries.
	req.Host = l.host
	res, err := transport.RoundTrip(req)
	if err != nil {
		o.Err = err.Error()
		return o
	}
	l.answered(&o, res)
	_ = res.Body.Close()
	if tries != 1 && o.Err == "" {
		o.Err = fmt.Sprintf("asked %d times", tries)
	}
	return o
}
