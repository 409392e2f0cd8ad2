package nacosapi

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// Bounds of pushes by UDP. A client that asks for a list again, every 10 s as a rule, renews its subscription.
const (
	udpStale   = 25 * time.Second // without being renewed
	udpAck     = time.Second
	udpTries   = 3
	maxUDPSubs = 10_000
)

// udpPusher tells clients of HTTP v1 of changes, who gave a port when they asked for a list. Pushes go to the address that the
// request came from and never to the one it names, or anybody could have us send to others.
//
// As on a stream, at most one push of a subscription is on its way, and what changes meanwhile is one more. One that stays without
// an acknowledgement is sent again and then left: the client polls anyhow.
type udpPusher struct {
	conn *net.UDPConn // nil: no port could be had, and clients poll
	poke chan struct{}

	mu       sync.Mutex
	registry *registry.Registry
	watcher  *registry.Watcher // of registry
	subs     map[udpKey]*udpSub
	watched  map[registry.Key]int // subscriptions of a service
}

type udpKey struct {
	to       netip.AddrPort
	service  registry.Key
	clusters string
}

type udpSub struct {
	healthyOnly bool
	renewed     time.Time
	want        bool
	tries       int
	flying      int64     // LastRefTime of the push on its way; 0: none
	until       time.Time // when it is sent again
}

func newUDPPusher() *udpPusher {
	return &udpPusher{poke: make(chan struct{}, 1), subs: map[udpKey]*udpSub{}, watched: map[registry.Key]int{}}
}

// listen takes a port on the address of the HTTP listener. Without one there are no pushes, and clients poll.
func (u *udpPusher) listen(http net.Addr) error {
	at, ok := http.(*net.TCPAddr)
	if !ok {
		return errors.New("nacosapi: push by UDP: the listener has no IP address")
	}
	var err error
	u.conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Zone: at.Zone})
	return err
}

// subscribe begins or renews a subscription.
func (u *udpPusher) subscribe(r *registry.Registry, key udpKey, healthyOnly bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conn == nil {
		return
	}
	if u.registry != r {
		u.forget()
		u.registry, u.watcher = r, r.Watch()
		u.rouse()
	}
	sub := u.subs[key]
	if sub == nil {
		if len(u.subs) >= maxUDPSubs {
			return
		}
		sub = &udpSub{}
		u.subs[key] = sub
		if u.watched[key.service]++; u.watched[key.service] == 1 {
			u.watcher.Add(key.service)
		}
		u.rouse() // the sweep begins
	}
	sub.renewed, sub.healthyOnly = time.Now(), healthyOnly
}

func (u *udpPusher) rouse() {
	select {
	case u.poke <- struct{}{}:
	default:
	}
}

// forget drops everything. The mutex is held.
func (u *udpPusher) forget() {
	if u.watcher != nil {
		u.watcher.Close()
	}
	clear(u.subs)
	clear(u.watched)
	u.registry, u.watcher = nil, nil
}

// run pushes until closing; read is its companion.
func (u *udpPusher) run(closing <-chan struct{}) {
	defer u.conn.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var changed, ended <-chan struct{}
		u.mu.Lock()
		if u.watcher != nil {
			changed, ended = u.watcher.C(), u.registry.Done()
		}
		if next := u.flush(time.Now()); !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
		watcher := u.watcher
		u.mu.Unlock()
		select {
		case <-changed:
			u.changed(watcher.Take())
		case <-ended:
			u.mu.Lock()
			u.forget()
			u.mu.Unlock()
		case <-u.poke:
		case <-timer.C:
		case <-closing:
			u.mu.Lock()
			u.forget()
			u.mu.Unlock()
			return
		}
	}
}

func (u *udpPusher) changed(keys []registry.Key) {
	news := make(map[registry.Key]bool, len(keys))
	for _, k := range keys {
		news[k] = true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, sub := range u.subs {
		if news[key.service] {
			sub.want = true
		}
	}
}

// flush sends what is due, drops who has not renewed, and returns when to look again; zero: when something happens.
func (u *udpPusher) flush(now time.Time) (next time.Time) {
	for key, sub := range u.subs {
		if now.Sub(sub.renewed) > udpStale {
			delete(u.subs, key)
			if u.watched[key.service]--; u.watched[key.service] == 0 {
				delete(u.watched, key.service)
				u.watcher.Remove(key.service)
			}
			continue
		}
		if sub.flying != 0 && !now.Before(sub.until) {
			sub.flying, sub.want = 0, sub.want || sub.tries < udpTries // what changed meanwhile is told, however often this was
		}
		if sub.want && sub.flying == 0 {
			u.send(key, sub, now)
		}
		if sub.flying != 0 {
			next = earlier(next, sub.until)
		}
		next = earlier(next, sub.renewed.Add(udpStale+time.Second))
	}
	return next
}

func (u *udpPusher) send(key udpKey, sub *udpSub, now time.Time) {
	info := render(u.registry.View(key.service), filter{clusters: key.clusters, healthyOnly: sub.healthyOnly})
	info.Name = nacoswire.GroupedName(key.service.Group, key.service.Service)
	sub.want = false
	b, err := nacoswire.NewDatagram(info)
	if err != nil {
		return // it does not fit: the client sees it when it polls
	}
	_ = u.conn.SetWriteDeadline(now.Add(time.Second))
	if _, err := u.conn.WriteToUDPAddrPort(b, key.to); err != nil {
		return
	}
	sub.tries++
	sub.flying, sub.until = info.LastRefTime, now.Add(udpAck)
}

// read takes acknowledgements until the socket is closed.
func (u *udpPusher) read() {
	buf := make([]byte, 2<<10) // an acknowledgement has a hundred bytes
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // such as ICMP's word of a client that is gone
		}
		lastRef, ok := nacoswire.ParseAck(buf[:n])
		if !ok {
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		u.mu.Lock()
		again := false
		for key, sub := range u.subs {
			if key.to == from && sub.flying == lastRef {
				sub.flying, sub.tries = 0, 0
				again = again || sub.want
			}
		}
		u.mu.Unlock()
		if again {
			u.rouse()
		}
	}
}
