package nacoswire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Instance is one address of a service as all versions of the protocol write it. Decoding fills in the defaults of
// Nacos: weight 1, healthy, enabled, ephemeral.
type Instance struct {
	InstanceID  string   `json:"instanceId,omitempty"`
	IP          string   `json:"ip"`
	Port        int      `json:"port"`
	Weight      float64  `json:"weight"` // share of the traffic; 0 = none
	Healthy     bool     `json:"healthy"`
	Enabled     bool     `json:"enabled"`
	Ephemeral   bool     `json:"ephemeral"` // lives as long as its connection or its heartbeats
	ClusterName string   `json:"clusterName,omitempty"`
	ServiceName string   `json:"serviceName,omitempty"` // grouped
	Metadata    Metadata `json:"metadata"`

	HeartBeatInterval int64 `json:"instanceHeartBeatInterval,omitempty"` // milliseconds
	HeartBeatTimeout  int64 `json:"instanceHeartBeatTimeOut,omitempty"`  // milliseconds
	IPDeleteTimeout   int64 `json:"ipDeleteTimeout,omitempty"`           // milliseconds

	IDGenerator string `json:"instanceIdGenerator,omitempty"` // how InstanceID is made
}

// NewInstance returns an instance with the defaults of Nacos.
func NewInstance(ip string, port int) Instance {
	return Instance{IP: ip, Port: port, Weight: 1, Healthy: true, Enabled: true, Ephemeral: true}
}

// UnmarshalJSON reads an instance. What is missing or null has its default; numbers and flags may be written as texts.
func (i *Instance) UnmarshalJSON(b []byte) error {
	type plain Instance
	p := plain(NewInstance("", 0))
	if json.Unmarshal(b, &p) == nil {
		*i = Instance(p)
		return nil
	}
	p = plain(NewInstance("", 0))
	texts := struct {
		*plain
		Port      *coercedInt    `json:"port"`
		Weight    *coercedNumber `json:"weight"`
		Healthy   *coercedFlag   `json:"healthy"`
		Enabled   *coercedFlag   `json:"enabled"`
		Ephemeral *coercedFlag   `json:"ephemeral"`
	}{&p, (*coercedInt)(&p.Port), (*coercedNumber)(&p.Weight), (*coercedFlag)(&p.Healthy), (*coercedFlag)(&p.Enabled), (*coercedFlag)(&p.Ephemeral)}
	if err := json.Unmarshal(b, &texts); err != nil {
		return err
	}
	*i = Instance(p)
	return nil
}

// Metadata are the labels of an instance.
type Metadata map[string]string

// MarshalJSON writes an object, also when there is nothing in it: clients do not expect null.
func (m Metadata) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]string(m))
}

// UnmarshalJSON reads an object. Numbers and booleans become their text, as Jackson does it for a map of strings;
// nulls are left out; objects and lists are errors.
func (m *Metadata) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*m = nil
	for k, v := range raw {
		v = bytes.TrimSpace(v)
		var text string
		switch v[0] {
		case 'n':
			continue
		case '{', '[':
			return fmt.Errorf("nacoswire: metadata %q is not a text", k)
		case '"':
			if err := json.Unmarshal(v, &text); err != nil {
				return err
			}
		default:
			text = string(v)
		}
		if *m == nil {
			*m = Metadata{}
		}
		(*m)[k] = text
	}
	return nil
}

// ServiceInfo is the list of a service's instances at one moment. HTTP v1 writes the grouped name into Name, gRPC the
// name alone.
type ServiceInfo struct {
	Name                     string     `json:"name"`
	GroupName                string     `json:"groupName"`
	Clusters                 string     `json:"clusters"`    // the filter that was asked for, comma separated; empty = all
	CacheMillis              int64      `json:"cacheMillis"` // how long polling clients may keep the list, milliseconds
	Hosts                    []Instance `json:"hosts"`
	LastRefTime              int64      `json:"lastRefTime"` // milliseconds since 1970; grows with every change of the service
	Checksum                 string     `json:"checksum"`
	AllIPs                   bool       `json:"allIPs"`
	ReachProtectionThreshold bool       `json:"reachProtectionThreshold"`
	Valid                    bool       `json:"valid"`
}

// CacheMillis is what servers write into ServiceInfo.CacheMillis.
const CacheMillis = 10_000
