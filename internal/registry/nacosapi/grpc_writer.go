package nacosapi

import (
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"paifang/internal/nacoswire"
)

// writer sends on the stream: the acknowledgement of the setup, pushes, and questions for a sign of life.
type writer struct {
	*Server
	x      *session
	stream grpc.ServerStream
	seq    uint64
	asked  time.Time // when the client was asked for a sign of life; zero: it need not be
	lapsed bool      // that it acknowledges nothing was said
}

// errUnacknowledged is logged of a client once.
var errUnacknowledged = errors.New("the client does not acknowledge what it is told; it is told again")

func (w *writer) nextID() string {
	w.seq++
	return strconv.FormatUint(w.seq, 10)
}

func (w *writer) send(p *nacoswire.Payload, err error) error {
	if err != nil {
		return err
	}
	// A client that does not read stops SendMsg when its window is full; only the end of the connection frees it.
	stuck := time.AfterFunc(w.cfg.Detect+w.cfg.Ack, w.x.conn.cut)
	defer stuck.Stop()
	return w.stream.SendMsg(p)
}

// deliver sends everything that is due and returns when to look again; zero = when something happens.
func (w *writer) deliver(now time.Time) (next time.Time, err error) {
	x, cfg := w.x, &w.cfg
	x.mu.Lock()
	keys, next := x.pushes.due(now, next, cfg)
	services, next := x.services.messages.due(now, next, cfg)
	contents, next := x.contents.messages.due(now, next, cfg)
	changed, next := x.notices.due(now, next, cfg)
	lapses := x.pushes.lapses + x.services.messages.lapses + x.contents.messages.lapses + x.notices.lapses
	x.mu.Unlock()
	if lapses > 0 && !w.lapsed { // what it misses comes again until it does; that need not be said again
		w.lapsed = true
		w.log.warn("gRPC", x.conn.client, errUnacknowledged)
	}
	for _, id := range changed {
		if err := w.send(x.notify(id, w.nextID(), now, cfg)); err != nil {
			return next, err
		}
	}
	for _, key := range keys {
		if err := w.send(x.push(key, w.nextID(), now, cfg)); err != nil {
			return next, err
		}
	}
	if err := sendFuzzy(w, &x.services, services, now); err != nil {
		return next, err
	}
	if err := sendFuzzy(w, &x.contents, contents, now); err != nil {
		return next, err
	}
	return next, nil
}

// answered takes the client's answer to a message. One that was given up is passed over.
func (x *session) answered(m received, now time.Time, cfg *Config) {
	ok := m.ResultCode == nacoswire.ResultOK
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, mine := x.pushes.answered(m.RequestID, ok, now, cfg); mine {
		return
	}
	if _, mine := x.notices.answered(m.RequestID, ok, now, cfg); mine {
		return
	}
	if !x.services.answered(m.RequestID, ok, now, cfg) {
		x.contents.answered(m.RequestID, ok, now, cfg)
	}
}

// life asks a silent client for a sign of life, and gives it up when there is none. It returns when to look again.
func (w *writer) life(now time.Time) (time.Time, error) {
	heard := w.x.heard()
	if !w.asked.IsZero() && heard.After(w.asked) {
		w.asked = time.Time{}
	}
	switch {
	case !w.asked.IsZero() && now.Sub(w.asked) >= w.cfg.Detect:
		return now, errSilent
	case !w.asked.IsZero():
		return w.asked.Add(w.cfg.Detect), nil
	case now.Sub(heard) < w.cfg.Idle:
		return heard.Add(w.cfg.Idle), nil
	}
	w.asked = now
	q := nacoswire.Request{RequestID: w.nextID(), Module: "internal"}
	return now.Add(w.cfg.Detect), w.send(nacoswire.NewPayload(nacoswire.TypeClientDetection, q))
}

func (w *writer) run(setup nacoswire.ConnectionSetupRequest, in <-chan received, ended <-chan struct{}) error {
	x := w.x
	if setup.AbilityTable != nil {
		ack := nacoswire.SetupAckRequest{AbilityTable: abilities()}
		ack.RequestID = w.nextID()
		if err := w.send(nacoswire.NewPayload(nacoswire.TypeSetupAck, ack)); err != nil {
			return err
		}
	}
	timer := time.NewTimer(w.cfg.Idle)
	defer timer.Stop()
	for {
		now := time.Now()
		next, err := w.deliver(now)
		if err != nil {
			return err
		}
		look, err := w.life(now)
		if err != nil {
			return err
		}
		timer.Reset(max(time.Until(earlier(next, look)), 0))
		names, configs, all := x.watchers()
		var anyService, one, anyConfig <-chan struct{} // nil, and never ready, where nothing is watched
		if names != nil {
			anyService = names.C()
		}
		if configs != nil {
			one = configs.C()
		}
		if all != nil {
			anyConfig = all.C()
		}
		select {
		case <-x.watcher.C():
			x.changed(x.watcher.Take())
		case <-anyService:
			x.mu.Lock()
			x.services.mayHaveComeOrGone(names.Take())
			x.mu.Unlock()
		case <-one:
			x.configsChanged(configs.Take())
		case <-anyConfig:
			x.mu.Lock()
			x.contents.mayHaveComeOrGone(all.Take())
			x.mu.Unlock()
		case q := <-x.reset:
			q.RequestID, q.Module = w.nextID(), "internal"
			x.told.Store(int64(time.Since(x.start)))
			if err := w.send(nacoswire.NewPayload(nacoswire.TypeConnectReset, q)); err != nil {
				return err
			}
		case <-x.poke:
		case m := <-in:
			x.answered(m, time.Now(), &w.cfg)
		case <-timer.C:
		case <-ended:
			return nil
		case <-x.registry.Done():
			return status.Error(codes.Unavailable, "the registry has stopped")
		case <-w.closing:
			return status.Error(codes.Unavailable, "the server is closing")
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
