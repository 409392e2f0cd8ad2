package compile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
)

// located is what one locator makes of one service. Without a template /NAME/** goes there with the first segment taken off. A service
// that is excluded has its upstream alone: its lists stay in use, and their sources tell when it is included.
func located(l *model.Locator, service string, now standing) *model.Objects {
	name := service
	if l.LowerCase {
		name = strings.ToLower(service)
	}
	origin := l.Origin
	origin.Kind, origin.Name = "locator", service
	up := l.Upstream(service)
	up.Origin, up.Priority, up.Endpoints = origin, l.Priority, l.Lists(service)
	up.ID = model.UpstreamID(fmt.Sprintf("%s/%s%s%s", up.Endpoints[0].Keeper, up.Endpoints[0].Name, up.TrustText(), up.PartText()))
	out := &model.Objects{Upstreams: []model.Upstream{up}}
	if now.presence == excluded {
		return out
	}
	say := func(severity model.Severity, format string, args ...any) {
		out.Diagnostics = append(out.Diagnostics, model.Diagnostic{Origin: origin, Severity: severity, Code: model.CodeInvalid, Message: fmt.Sprintf(format, args...)})
	}
	where, does := position{l.Paths, l.Hosts, l.Match}, effect{l.Filters, l.HostName}
	if len(where.Paths) == 0 {
		where.Paths = []model.PathMatch{{Kind: model.PathPrefix, Value: "/" + model.LocatorService}}
	}
	if len(does.Filters) == 0 && !l.WholePath {
		does.Filters = []model.FilterSpec{{Kind: "strip-prefix", Config: json.RawMessage(`{"parts":1}`)}}
	}
	values, rejected := make([]string, len(l.Tags)), false
	for i, tag := range l.Tags {
		var err error
		switch values[i], err = valueOf(now.said, tag); {
		case err == nil:
		case mentions(where, model.LocatorTag(i)):
			say(model.Error, "service %q is not routed to: %v", service, err)
			return out
		default:
			rejected = true
			say(model.Error, "the route of service %q answers 503: %v", service, err)
		}
	}
	secrets := does.Filters // which have no text form
	where, err := model.Named(where, name, values...)
	if err == nil {
		does, err = model.Named(does, name, values...)
	}
	if err != nil {
		say(model.Error, "service %q is not routed to: its name makes no route of the locator's template: %v", service, err)
		return out
	}
	for i := range secrets {
		does.Filters[i].Data = secrets[i].Data
	}
	forward := model.Forward{Targets: []model.Target{{Upstream: up.ID}}, Host: model.HostEndpoint, Retry: l.Retry, Target: l.Target}
	switch {
	case l.KeepHost:
		forward.Host = model.HostKeep
	case does.HostName != "":
		forward.Host, forward.HostName = model.HostLiteral, does.HostName
	}
	timeouts := l.Timeouts
	for _, one := range [...]struct {
		tag  string
		into *time.Duration
	}{{l.ConnectTag, &timeouts.Connect}, {l.ResponseTag, &timeouts.Response}} {
		if text, ok := now.said.Get(one.tag); ok {
			if d, err := millisecondsOf(text); err != nil {
				say(model.Warning, "service %q: %s in the metadata of an instance: %v; it has no effect", service, one.tag, err)
			} else {
				*one.into = d
			}
		}
	}
	for i, path := range where.Paths {
		r := model.Route{
			ID: model.RouteID("locator/" + service), Origin: origin, Attach: l.Attach, Priority: l.Priority, Rank: l.Rank,
			Hosts: where.Hosts, Match: where.Match, Filters: does.Filters,
			Action: forward, Timeouts: timeouts,
		}
		if i > 0 {
			r.ID += model.RouteID(fmt.Sprintf("/%d", i+1))
		}
		if rejected {
			r.Filters, r.Action = nil, model.Respond{Status: 503, Code: model.CodeInvalid}
		}
		r.Match.Path = path
		out.Routes = append(out.Routes, r)
	}
	return out
}

// position and effect are what of a locator may name the service, and have values of its endpoints: where a route stands, and what it does.
type position struct {
	Paths []model.PathMatch
	Hosts []model.Host
	Match model.Match
}

type effect struct {
	Filters  []model.FilterSpec
	HostName string
}

// mentions tells whether a position has some text.
func mentions(p position, text string) bool {
	raw, err := json.Marshal(p)
	return err != nil || bytes.Contains(raw, []byte(text))
}

// valueOf returns the value of a tag for a template. Whoever registers an instance says what it is: it must not be more than a value, in a
// path, in a pattern or in a header.
func valueOf(said model.Tags, tag string) (string, error) {
	value, ok := said.Get(tag)
	switch {
	case !ok:
		return "", fmt.Errorf("none of its instances has metadata %q, which the locator's template asks for", tag)
	case len(value) > 256 || strings.ContainsFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~/:@,=", r))
	}):
		return "", fmt.Errorf("metadata %q of an instance is %.60q: in the locator's template it may have letters, digits and -._~/:@,= alone, 256 of them", tag, value)
	case strings.Contains(value, "//") || strings.Contains("/"+value+"/", "/../") || strings.Contains("/"+value+"/", "/./"):
		return "", fmt.Errorf("metadata %q of an instance is %q: in the locator's template it may have no segment that is empty, or dots alone", tag, value)
	}
	return value, nil
}

// millisecondsOf reads a timeout as an instance says it.
func millisecondsOf(text string) (time.Duration, error) {
	const unbounded = 24 * time.Hour
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil || n == 0:
		return 0, errors.New(strconv.Quote(text) + " is no number of milliseconds: want 1 or more, or a negative one for no bound")
	case n < 0 || n > unbounded.Milliseconds():
		return unbounded, nil
	}
	return time.Duration(n) * time.Millisecond, nil
}
