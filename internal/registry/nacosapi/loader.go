package nacosapi

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
)

// sessions are those that stand, with what their clients say of themselves.
type sessions struct {
	mu  sync.Mutex
	all map[*session]peer
}

// peer is a connection of gRPC.
type peer struct {
	ID      string            `json:"connectionId"`
	IP      string            `json:"clientIp"`
	Version string            `json:"version"`
	App     string            `json:"appName"`
	Labels  map[string]string `json:"labels"`
	Created time.Time         `json:"createTime"`
}

// peerInfo is one as /core/loader/current shows it.
type peerInfo struct {
	Traced    bool            `json:"traced"`
	Abilities map[string]bool `json:"abilityTable"`
	Meta      peer            `json:"metaInfo"`
}

func (a *sessions) add(x *session, setup nacoswire.ConnectionSetupRequest) {
	host, _, _ := net.SplitHostPort(x.conn.client) // an address of the system's
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[x] = peer{x.conn.id, host, setup.ClientVersion, setup.Labels["AppName"], setup.Labels, x.start}
}

func (a *sessions) remove(x *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, x)
}

// list is sorted by age.
func (a *sessions) list() []peer {
	a.mu.Lock()
	out := make([]peer, 0, len(a.all))
	for _, c := range a.all {
		out = append(out, c)
	}
	a.mu.Unlock()
	slices.SortFunc(out, func(x, y peer) int { return x.Created.Compare(y.Created) })
	return out
}

// move tells clients to connect again, at a server or at any other they know, and keeps some where they are. It returns how many
// it told.
func (a *sessions) move(keep int, to nacoswire.ConnectResetRequest, which func(peer) bool) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := 0
	for x, c := range a.all {
		if len(a.all)-told <= keep {
			break
		}
		if !which(c) {
			continue
		}
		q := to
		q.ConnectionID = c.ID
		select {
		case x.reset <- q:
			told++
		default: // it was told just now
		}
	}
	return told
}

func everybody(peer) bool { return true }

// Drain lets no client of gRPC in any more and tells those that are there to connect to another server. It returns when they have
// gone, or when ctx ends. Close follows.
func (s *Server) Drain(ctx context.Context) {
	s.draining.Store(true)
	s.sessions.move(0, nacoswire.ConnectResetRequest{}, everybody)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for len(s.sessions.list()) > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// loader is how an operator spreads clients over servers (ServerLoaderController since 2.0, CoreOpsV3 since 3.0).
func loader() []endpoint {
	const v2, v3 = "/v2/core/loader", "/v3/admin/core/loader"
	current := func(c call) (any, error) {
		out := map[string]peerInfo{}
		for _, p := range c.server.sessions.list() {
			out[p.ID] = peerInfo{Abilities: map[string]bool{}, Meta: p}
		}
		return out, nil
	}
	return []endpoint{
		{method: "GET", path: v2 + "/current", need: admin, handle: current},
		{method: "GET", path: v2 + "/reloadCurrent", need: admin, handle: reloadCurrent},
		{method: "GET", path: v2 + "/reloadClient", need: admin, handle: reloadClient},
		{method: "GET", path: v3 + "/current", need: admin, handle: current, result: true},
		{method: "POST", path: v3 + "/reloadCurrent", need: admin, handle: reloadCurrent, result: true},
		{method: "POST", path: v3 + "/reloadClient", need: admin, handle: reloadClient, result: true},
	}
}

// redirect is the server to which clients are sent; empty: any other.
func (c call) redirect() (to nacoswire.ConnectResetRequest, err error) {
	text := c.q.Get("redirectAddress")
	if text == "" {
		return to, nil
	}
	if !strings.Contains(text, ":") {
		to.ServerIP = text
		return to, nil
	}
	to.ServerIP, to.ServerPort, err = net.SplitHostPort(text)
	return to, invalid(err)
}

// reloadCurrent keeps so many clients and tells the others to connect elsewhere.
func reloadCurrent(c call) (any, error) {
	keep, err := c.number("count")
	if err != nil {
		return nil, err
	}
	to, err := c.redirect()
	if err != nil {
		return nil, err
	}
	c.server.sessions.move(max(keep, 0), to, everybody)
	return "success", nil
}

func reloadClient(c call) (any, error) {
	id, err := c.required("connectionId")
	if err != nil {
		return nil, err
	}
	to, err := c.redirect()
	if err != nil {
		return nil, err
	}
	if c.server.sessions.move(0, to, func(one peer) bool { return one.ID == id }) == 0 {
		return nil, fmt.Errorf("nacosapi: connection %.64q: %w", id, registry.ErrUnknown)
	}
	return "success", nil
}
