package builtin

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/inward"
	"paifang/internal/model"
)

var (
	_ filter.Doubter = CORS{}
	_ filter.Doubter = BasicAuth{}
	_ filter.Doubter = DigestAuth{}
	_ filter.Doubter = JWT{}
	_ filter.Doubter = ExternalAuth{}
	_ filter.Doubter = Mirror{}
	_ filter.Doubter = RateLimit{}
)

// Doubts warns of filters in front that want to know who asks: a preflight has no credentials.
func (CORS) Doubts(before []model.FilterSpec, _ model.SecretData) []string {
	for i, f := range before {
		if wantsCredentials(f) {
			return []string{fmt.Sprintf("it stands behind %s (filters[%d]), which refuses the preflights of browsers, for they have no credentials: put it in front", f.Kind, i)}
		}
	}
	return nil
}

// wantsCredentials tells whether a filter refuses everybody who does not say who it is. What an external service does is not known.
func wantsCredentials(f model.FilterSpec) bool {
	switch f.Kind {
	case "basic-auth", "digest-auth":
		return true
	case "jwt":
		var c JWT
		return json.Unmarshal(f.Config, &c) == nil && !c.Optional
	}
	return false
}

// Doubts warns of a list that lets nobody in.
func (c BasicAuth) Doubts(_ []model.FilterSpec, secret model.SecretData) []string {
	users, problems, err := c.UsersOf(secret)
	if err != nil || users.Len() > 0 {
		return nil
	}
	why := "the list is empty"
	if len(problems) > 0 {
		why = problems[0].String()
	}
	return []string{"nobody can log in: " + why}
}

// Doubts warns of a list that lets nobody in.
func (c DigestAuth) Doubts(_ []model.FilterSpec, secret model.SecretData) []string {
	users, problems, err := c.UsersOf(secret)
	if err != nil || users.Len(c.Realm) > 0 {
		return nil
	}
	why := fmt.Sprintf("the list has nobody of realm %q", c.Realm)
	if len(problems) > 0 {
		why = problems[0].String()
	}
	return []string{"nobody can log in: " + why}
}

// Doubts warns of a key set that is never asked for.
func (c JWT) Doubts([]model.FilterSpec, model.SecretData) []string {
	return inVain("url", c.URL, c.Loopback)
}

// Doubts warns of a service that is never asked, and of one that clients may tell what they like.
func (c ExternalAuth) Doubts([]model.FilterSpec, model.SecretData) []string {
	out := inVain("url", c.URL, c.Loopback)
	_, query, _ := strings.Cut(c.URL, "?")
	for _, part := range [...]string{"{uri}", "{path}"} {
		if strings.Contains(query, part) {
			out = append(out, fmt.Sprintf("url: %s stands in its query as it is, so that a client can add parameters of its own: write {escaped-uri}", part))
		}
	}
	return out
}

// Doubts warns of targets that are never sent anything.
func (c Mirror) Doubts([]model.FilterSpec, model.SecretData) []string {
	var out []string
	for i, t := range c.Targets {
		out = append(out, inVain(fmt.Sprintf("targets[%d].url", i), t.URL, c.Loopback)...)
	}
	return out
}

// Doubts warns of a Redis that is never asked.
func (c RateLimit) Doubts([]model.FilterSpec, model.SecretData) []string {
	var out []string
	if c.Redis != nil {
		for i, a := range c.Redis.Addresses {
			out = append(out, inVain(fmt.Sprintf("redis.addresses[%d]", i), "//"+a, !c.Redis.Outside)...)
		}
	}
	return out
}

// inVain warns of a URL whose host is written as an address that inward.Dialer does not connect to.
func inVain(field, url string, loopback bool) []string {
	_, rest, ok := strings.Cut(url, "//")
	if !ok {
		return nil
	}
	host := hostOf(rest)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	at, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if strings.EqualFold(host, "localhost") {
		at, err = netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	if err != nil {
		return nil // a name: who knows
	}
	switch reach := inward.Of(at); {
	case reach == inward.Outside || reach == inward.Loopback && loopback:
		return nil
	case reach == inward.Loopback:
		return []string{fmt.Sprintf("%s: %s is this machine, which the filter may not ask: it never will", field, host)}
	}
	return []string{fmt.Sprintf("%s: %s is the address of a link, of a cloud's metadata service or of no machine: it is never asked", field, host)}
}
