package meter

import (
	"strconv"
	"time"

	"paifang/internal/dnsserver"
	"paifang/internal/exposition"
	"paifang/internal/httpproxy"
	"paifang/internal/l4"
	"paifang/internal/listener"
	"paifang/internal/model"
)

var (
	inFlight = exposition.Family{Name: "paifang_requests_in_flight", Type: exposition.Gauge, Labels: []string{"listener"},
		Help: "Requests whose head has arrived and that have not ended; upgraded connections are among them."}
	connections = exposition.Family{Name: "paifang_connections", Type: exposition.Gauge, Labels: []string{"listener", "address"},
		Help: "Open connections of clients, those of the SLB too."}
	connectionLimit = exposition.Family{Name: "paifang_connection_limit", Type: exposition.Gauge, Labels: []string{"of"},
		Help: "Open connections that there may be: of each address of a listener, and in total."}
	accepted = exposition.Family{Name: "paifang_connections_accepted_total", Type: exposition.Counter, Labels: []string{"listener", "address"},
		Help: "Connections that the system handed over, those that were refused and probes of balancers among them."}
	refused = exposition.Family{Name: "paifang_connections_refused_total", Type: exposition.Counter, Labels: []string{"listener", "address", "cause"},
		Help: "Connections that were reset at once: over listener-limit or total-limit, with no-proxy-header where one is needed, or for overload."}
	handshakes = exposition.Family{Name: "paifang_tls_handshakes_total", Type: exposition.Counter, Labels: []string{"listener", "resumed"},
		Help: "TLS handshakes that were completed."}
	handshakeFailures = exposition.Family{Name: "paifang_tls_handshake_failures_total", Type: exposition.Counter, Labels: []string{"listener", "cause"},
		Help: "TLS handshakes that came to nothing: timeout, client-closed, not-tls, version, cipher, alpn, client-certificate, alert (the client did not like something), other."}
	listEnds = exposition.Family{Name: "paifang_tls_revocation_list_end_timestamp_seconds", Type: exposition.Gauge, Labels: []string{"policy", "issuer"},
		Help: "When a list of revoked client certificates is out of date, in seconds since 1970: from then on certificates of its issuer are refused."}
	stapleEnds = exposition.Family{Name: "paifang_tls_staple_end_timestamp_seconds", Type: exposition.Gauge, Labels: []string{"certificate"},
		Help: "When the OCSP response that is stapled to a certificate is out of date, in seconds since 1970; those without one are not shown."}
	stapleAsks = exposition.Family{Name: "paifang_tls_ocsp_responses_total", Type: exposition.Counter, Labels: []string{"result"},
		Help: "Times that OCSP responders were asked, by what came of it: good, revoked, failed."}
	streams = exposition.Family{Name: "paifang_http2_streams_total", Type: exposition.Counter, Labels: []string{"listener"},
		Help: "HTTP/2 streams that clients opened."}
	resets = exposition.Family{Name: "paifang_http2_stream_resets_total", Type: exposition.Counter, Labels: []string{"listener"},
		Help: "HTTP/2 streams that were reset, by whichever side."}
	calmed = exposition.Family{Name: "paifang_http2_connections_calmed_total", Type: exposition.Counter, Labels: []string{"listener"},
		Help: "HTTP/2 connections that were ended with ENHANCE_YOUR_CALM, because what their clients sent only cost."}
)

func listenerFamilies() []*exposition.Family {
	return []*exposition.Family{&inFlight, &connections, &connectionLimit, &accepted, &refused, &handshakes, &handshakeFailures, &listEnds, &stapleEnds, &stapleAsks, &streams, &resets, &calmed}
}

func (p *page) listeners() {
	all := p.HTTP.ListenerCounts()
	sockets := p.Sockets.Sockets()
	each := func(f *exposition.Family, add func(l *httpproxy.ListenerCount, id string)) {
		p.Begin(f)
		for i := range all {
			add(&all[i], string(all[i].Listener))
		}
	}
	eachSocket := func(f *exposition.Family, add func(s *listener.Status, labels ...string)) {
		p.Begin(f)
		for i := range sockets {
			add(&sockets[i], string(sockets[i].Listener), sockets[i].Address.String())
		}
	}
	each(&inFlight, func(l *httpproxy.ListenerCount, id string) { p.Value(float64(l.InFlight), id) })
	eachSocket(&connections, func(s *listener.Status, labels ...string) { p.Value(float64(s.Open), labels...) })
	one, total := p.Sockets.Limits()
	p.Begin(&connectionLimit)
	p.Value(float64(one), "listener")
	p.Value(float64(total), "total")
	eachSocket(&accepted, func(s *listener.Status, labels ...string) { p.Count(uint64(s.Accepted), labels...) })
	eachSocket(&refused, func(s *listener.Status, labels ...string) {
		for c, n := range s.Causes {
			p.Count(uint64(n), append(labels[:2:2], listener.Cause(c).String())...)
		}
	})
	each(&handshakes, func(l *httpproxy.ListenerCount, id string) {
		for resumed, n := range l.Handshakes {
			if n > 0 {
				p.Count(n, id, strconv.FormatBool(resumed == 1))
			}
		}
	})
	each(&handshakeFailures, func(l *httpproxy.ListenerCount, id string) { byKey(p, l.HandshakeFailures, id) })
	p.Begin(&listEnds)
	for _, e := range p.HTTP.RevocationLists(time.Now()) {
		p.Since(e.Until, string(e.Policy), e.Issuer)
	}
	p.Begin(&stapleEnds)
	for _, s := range p.HTTP.Staples(time.Now()) {
		if !s.Until.IsZero() {
			p.Since(s.Until, string(s.Certificate))
		}
	}
	p.Begin(&stapleAsks)
	asked := p.HTTP.StapleCounts()
	p.Count(asked.Good, "good")
	p.Count(asked.Revoked, "revoked")
	p.Count(asked.Failed, "failed")
	each(&streams, func(l *httpproxy.ListenerCount, id string) { p.Count(l.Streams, id) })
	each(&resets, func(l *httpproxy.ListenerCount, id string) { p.Count(l.Resets, id) })
	each(&calmed, func(l *httpproxy.ListenerCount, id string) { p.Count(l.Calmed, id) })
}

var (
	sessions = exposition.Family{Name: "paifang_l4_connections_total", Type: exposition.Counter, Labels: []string{"listener", "upstream"},
		Help: "Connections that the SLB took."}
	sessionsOpen = exposition.Family{Name: "paifang_l4_connections_open", Type: exposition.Gauge, Labels: []string{"listener", "upstream"},
		Help: "Connections through the SLB now."}
	sessionsFailed = exposition.Family{Name: "paifang_l4_connection_failures_total", Type: exposition.Counter, Labels: []string{"listener", "upstream"},
		Help: "Connections for which no endpoint could be reached."}
	sessionsCut = exposition.Family{Name: "paifang_l4_connections_cut_total", Type: exposition.Counter, Labels: []string{"listener", "upstream"},
		Help: "Connections that were ended because they did not end by themselves while their listener drained."}
	sessionBytes = exposition.Family{Name: "paifang_l4_bytes_total", Type: exposition.Counter, Labels: []string{"listener", "upstream", "direction"},
		Help: "Bytes of connections that have ended, to endpoints and from endpoints (direction to and from)."}
)

func l4Families() []*exposition.Family {
	return []*exposition.Family{&sessions, &sessionsOpen, &sessionsFailed, &sessionsCut, &sessionBytes}
}

// mostPassed bounds the upstreams that are shown of what is passed on by server name: hosts are many, and chosen by others.
const mostPassed = 200

// summed adds up what has one listener and one upstream. all is sorted by listener.
func summed(all []l4.ListenerStatus) []l4.ListenerStatus {
	type labels struct {
		listener model.ListenerID
		upstream model.UpstreamID
	}
	at := map[labels]int{}
	passed := 0
	var out []l4.ListenerStatus
	for _, l := range all {
		i, known := at[labels{l.Listener, l.Upstream}]
		if !known && l.Passed {
			if passed++; passed > mostPassed {
				l.Upstream = otherName
				i, known = at[labels{l.Listener, l.Upstream}]
			}
		}
		if !known {
			at[labels{l.Listener, l.Upstream}] = len(out)
			out = append(out, l)
			continue
		}
		o := &out[i]
		o.Open, o.Total, o.Failed, o.Cut = o.Open+l.Open, o.Total+l.Total, o.Failed+l.Failed, o.Cut+l.Cut
		o.Sent, o.Received = o.Sent+l.Sent, o.Received+l.Received
	}
	return out
}

func (p *page) l4() {
	all := summed(p.L4.Status())
	each := func(f *exposition.Family, add func(l *l4.ListenerStatus, labels ...string)) {
		p.Begin(f)
		for i := range all {
			add(&all[i], string(all[i].Listener), string(all[i].Upstream))
		}
	}
	each(&sessions, func(l *l4.ListenerStatus, labels ...string) { p.Count(l.Total, labels...) })
	each(&sessionsOpen, func(l *l4.ListenerStatus, labels ...string) { p.Value(float64(l.Open), labels...) })
	each(&sessionsFailed, func(l *l4.ListenerStatus, labels ...string) { p.Count(l.Failed, labels...) })
	each(&sessionsCut, func(l *l4.ListenerStatus, labels ...string) { p.Count(l.Cut, labels...) })
	each(&sessionBytes, func(l *l4.ListenerStatus, labels ...string) {
		p.Count(uint64(l.Sent), append(labels[:2:2], "to")...)
		p.Count(uint64(l.Received), append(labels[:2:2], "from")...)
	})
}

var (
	dnsQueries = exposition.Family{Name: "paifang_dns_queries_total", Type: exposition.Counter, Labels: []string{"transport", "rcode"},
		Help: "Questions that were answered, by response code."}
	dnsIgnored = exposition.Family{Name: "paifang_dns_packets_ignored_total", Type: exposition.Counter, Labels: []string{"transport"},
		Help: "Packets that are no question, and got no answer."}
)

func dnsFamilies() []*exposition.Family { return []*exposition.Family{&dnsQueries, &dnsIgnored} }

func (p *page) dns() {
	all := p.DNS.Counts()
	each := func(f *exposition.Family, add func(c dnsserver.Count)) {
		p.Begin(f)
		for _, c := range all {
			add(c)
		}
	}
	each(&dnsQueries, func(c dnsserver.Count) {
		if c.Code != "" {
			p.Count(c.Questions, c.Transport, c.Code)
		}
	})
	each(&dnsIgnored, func(c dnsserver.Count) {
		if c.Code == "" {
			p.Count(c.Questions, c.Transport)
		}
	})
}
