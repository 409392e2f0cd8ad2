package adminapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"paifang/internal/explain"
)

// Trace is what the planes of a process recorded of a client's newest request and connection.
type Trace struct {
	Exchange *explain.Exchange `json:"exchange,omitempty"`
	Passage  *explain.Passage  `json:"passage,omitempty"`
}

func (s *Server) trace(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Traces == nil {
		notFound(w, r)
		return
	}
	client, err := netip.ParseAddrPort(r.URL.Query().Get("client"))
	if err != nil {
		fail(w, http.StatusBadRequest, "client: want the IP:port that the client had")
		return
	}
	var t Trace
	if x, ok := s.cfg.Traces.Exchange(client); ok {
		t.Exchange = &x
	}
	if p, ok := s.cfg.Traces.Passage(client); ok {
		t.Passage = &p
	}
	body, err := json.Marshal(t)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, "application/json", body)
}

// traceWithin bounds the question for a trace: who explains asks several times.
const traceWithin = time.Second

func (c *Client) trace(client netip.AddrPort) Trace {
	ctx, cancel := context.WithTimeout(context.Background(), traceWithin)
	defer cancel()
	var t Trace
	body, _, err := c.do(ctx, http.MethodGet, "/api/v1/trace", url.Values{"client": {client.String()}})
	if err == nil && json.Unmarshal(body, &t) != nil {
		return Trace{}
	}
	return t
}

// Exchange implements explain.Traces; a process that does not answer has recorded nothing.
func (c *Client) Exchange(client netip.AddrPort) (explain.Exchange, bool) {
	if t := c.trace(client); t.Exchange != nil {
		return *t.Exchange, true
	}
	return explain.Exchange{}, false
}

// Passage implements explain.Traces.
func (c *Client) Passage(client netip.AddrPort) (explain.Passage, bool) {
	if t := c.trace(client); t.Passage != nil {
		return *t.Passage, true
	}
	return explain.Passage{}, false
}

// Together explains requests over several processes: the rules of one, the state and the traces of all.
type Together struct {
	Rules *Local
	All   Merged
	Parts []explain.Traces
}

var (
	_ Explainer      = Together{}
	_ explain.Traces = Together{}
	_ explain.Traces = (*Client)(nil)
)

// World is what all processes know. A process that does not answer is missing from it.
func (t Together) World(ctx context.Context) explain.World {
	w := t.Rules.World()
	v, _ := t.All.Read(ctx, Upstreams, Lists, Pods) // what is missing shows as missing
	g := Gathered{v}
	w.Upstreams, w.Lists, w.Pods = g, g, g
	return w
}

// Explain implements Explainer.
func (t Together) Explain(ctx context.Context, q explain.Request, send bool) (explain.Result, error) {
	if send {
		return explain.Send(ctx, func() explain.World { return t.World(ctx) }, t, q)
	}
	return explain.Explain(t.World(ctx), q)
}

// Exchange implements explain.Traces.
func (t Together) Exchange(client netip.AddrPort) (explain.Exchange, bool) {
	for _, p := range t.Parts {
		if x, ok := p.Exchange(client); ok {
			return x, true
		}
	}
	return explain.Exchange{}, false
}

// Passage implements explain.Traces.
func (t Together) Passage(client netip.AddrPort) (explain.Passage, bool) {
	for _, p := range t.Parts {
		if x, ok := p.Passage(client); ok {
			return x, true
		}
	}
	return explain.Passage{}, false
}
