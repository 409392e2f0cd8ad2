package model

import (
	"fmt"
	"slices"
	"strings"
)

// Target is an upstream with a share of the route's requests.
type Target struct {
	Upstream UpstreamID `json:"upstream"`
	Weight   int        `json:"weight,omitempty"` // share; all zero = equal shares; zero beside others = only by a lane
	// Else is another of the targets, which has the requests while no endpoint of this one is up. Default: they get 503.
	Else UpstreamID `json:"else,omitempty"`
	// Carry is a header that the requests are sent on with, so that the next gateway knows them by it. It replaces what the
	// client sent under that name. Where Else has them they keep it.
	Carry Tag `json:"carry,omitzero"`
	// URIs are those by which requests name it (Forward.Naming): "http://order.test:8080", "lb://order".
	URIs []string `json:"uris,omitempty"`
	// Host is which Host header a request has that has named the target: endpoint or literal, with HostName. Default: as the
	// Forward says.
	Host     HostMode `json:"host,omitempty"`
	HostName string   `json:"hostName,omitempty"`
}

// TargetMode says how the path is spelled that an upstream sees.
type TargetMode string

// The target modes.
const (
	TargetNormal TargetMode = "" // the normalised form, which everything is decided by
	// TargetReceived: as the client wrote it, where no filter has changed it and it is the same path for every server. Where
	// it has dot segments, several slashes in a row or encoded slashes, the normalised form.
	TargetReceived TargetMode = "received"
)

// leadsTo tells whether an upstream is one of the targets.
func (f Forward) leadsTo(id UpstreamID) bool {
	return slices.ContainsFunc(f.Targets, func(t Target) bool { return t.Upstream == id })
}

func (f Forward) validateTarget(t Target, at string) error {
	switch {
	case t.Upstream == "":
		return fieldError(at+".upstream", "is empty")
	case t.Weight < 0:
		return fieldError(at+".weight", "is negative")
	case t.Else != "" && (t.Else == t.Upstream || !f.leadsTo(t.Else)):
		return fieldError(at+".else", fmt.Sprintf("%q is not another of the targets", t.Else))
	case (t.Host != HostKeep || t.HostName != "") && len(t.URIs) == 0:
		return fieldError(at+".host", "is set for a target that has no URIs to be named by")
	case t.Host != HostKeep && t.Host != HostEndpoint && t.Host != HostLiteral || (t.Host == HostLiteral) != (t.HostName != ""):
		return fieldError(at+".host", "wants endpoint, or literal with a hostName")
	case t.Carry == Tag{}:
		return nil
	case t.Carry.Name == "" || strings.ContainsFunc(t.Carry.Name, notToken):
		return fieldError(at+".carry", fmt.Sprintf("%q is no header name", t.Carry.Name))
	case t.Carry.Value == "" || strings.ContainsFunc(t.Carry.Value, notValue) || strings.TrimSpace(t.Carry.Value) != t.Carry.Value:
		return fieldError(at+".carry", fmt.Sprintf("%q is no value of a header", t.Carry.Value))
	}
	return nil
}
