package nacoswire

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
)

// hostSize is about what an instance without metadata takes as JSON, in bytes; timesSize is what its times take more.
const (
	hostSize  = 256
	timesSize = 128
)

// Payload is NewPayload of the response, sooner.
func (r ServiceResponse) Payload(typ string) (*Payload, error) {
	return listPayload(typ, r.Response, r.ServiceInfo)
}

// Payload is NewPayload of the request, sooner.
func (q NotifySubscriberRequest) Payload() (*Payload, error) {
	return listPayload(TypeNotifySubscriber, q.Request, q.ServiceInfo)
}

// listPayload puts a list behind the fields of head.
func listPayload[M any](typ string, head M, list *ServiceInfo) (*Payload, error) {
	p, err := NewPayload(typ, head)
	if err != nil {
		return nil, err
	}
	if p.Body = p.Body[:len(p.Body)-1]; len(p.Body) > 1 {
		p.Body = append(p.Body, ',')
	}
	p.Body = append(p.Body, `"serviceInfo":`...)
	if list == nil {
		p.Body = append(p.Body, "null"...)
	} else {
		p.Body = list.AppendJSON(p.Body)
	}
	p.Body = append(p.Body, '}')
	return p, nil
}

// AppendJSON appends the list to b as encoding/json writes it, in a third of the time: lists are most of what a registry writes. It
// is no MarshalJSON, whose text the library would look through once more, which takes longer than all of this.
func (s *ServiceInfo) AppendJSON(b []byte) []byte {
	each := hostSize
	if len(s.Hosts) > 0 && s.Hosts[0].HeartBeatInterval != 0 {
		each += timesSize
	}
	b = slices.Grow(b, each*(len(s.Hosts)+1))
	b = appendQuoted(append(b, `{"name":`...), s.Name)
	b = appendQuoted(append(b, `,"groupName":`...), s.GroupName)
	b = appendQuoted(append(b, `,"clusters":`...), s.Clusters)
	b = strconv.AppendInt(append(b, `,"cacheMillis":`...), s.CacheMillis, 10)
	b = append(b, `,"hosts":`...)
	if s.Hosts == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, '[')
		for i := range s.Hosts {
			if i > 0 {
				b = append(b, ',')
			}
			b = s.Hosts[i].appendJSON(b)
		}
		b = append(b, ']')
	}
	b = strconv.AppendInt(append(b, `,"lastRefTime":`...), s.LastRefTime, 10)
	b = appendQuoted(append(b, `,"checksum":`...), s.Checksum)
	b = strconv.AppendBool(append(b, `,"allIPs":`...), s.AllIPs)
	b = strconv.AppendBool(append(b, `,"reachProtectionThreshold":`...), s.ReachProtectionThreshold)
	b = strconv.AppendBool(append(b, `,"valid":`...), s.Valid)
	return append(b, '}')
}

func (i *Instance) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if i.InstanceID != "" {
		b = append(appendQuoted(append(b, `"instanceId":`...), i.InstanceID), ',')
	}
	b = appendQuoted(append(b, `"ip":`...), i.IP)
	b = strconv.AppendInt(append(b, `,"port":`...), int64(i.Port), 10)
	b = appendNumber(append(b, `,"weight":`...), i.Weight)
	b = strconv.AppendBool(append(b, `,"healthy":`...), i.Healthy)
	b = strconv.AppendBool(append(b, `,"enabled":`...), i.Enabled)
	b = strconv.AppendBool(append(b, `,"ephemeral":`...), i.Ephemeral)
	if i.ClusterName != "" {
		b = appendQuoted(append(b, `,"clusterName":`...), i.ClusterName)
	}
	if i.ServiceName != "" {
		b = appendQuoted(append(b, `,"serviceName":`...), i.ServiceName)
	}
	b = i.Metadata.appendJSON(append(b, `,"metadata":`...))
	for _, m := range [...]struct {
		name  string
		value int64
	}{{`,"instanceHeartBeatInterval":`, i.HeartBeatInterval}, {`,"instanceHeartBeatTimeOut":`, i.HeartBeatTimeout}, {`,"ipDeleteTimeout":`, i.IPDeleteTimeout}} {
		if m.value != 0 {
			b = strconv.AppendInt(append(b, m.name...), m.value, 10)
		}
	}
	if i.IDGenerator != "" {
		b = appendQuoted(append(b, `,"instanceIdGenerator":`...), i.IDGenerator)
	}
	return append(b, '}')
}

// appendJSON appends an object with sorted names, also when there is nothing in it.
func (m Metadata) appendJSON(b []byte) []byte {
	names := make([]string, 0, 8) // on the stack for most
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(append(appendQuoted(b, name), ':'), m[name])
	}
	return append(b, '}')
}

// appendQuoted appends a string in quotes. One with anything to escape is left to encoding/json.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= 0x7f, c == '"', c == '\\', c == '<', c == '>', c == '&':
			text, _ := json.Marshal(s) // strings have no error
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendNumber appends a weight. What JSON has no number for is 0, as a weight that nobody can have.
func appendNumber(b []byte, v float64) []byte {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.AppendInt(b, int64(v), 10)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return append(b, '0')
	}
	return append(b, text...)
}
