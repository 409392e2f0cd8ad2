package nacoswire

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
)

// Datagram is a push to a client of HTTP v1 (PushPacket of the Java client): the list of a service as JSON inside JSON.
type Datagram struct {
	Type        string `json:"type"` // "dom"
	Data        string `json:"data"` // a ServiceInfo with its grouped name
	LastRefTime int64  `json:"lastRefTime"`
}

// Sizes of datagrams, in bytes.
const (
	plainDatagram = 1 << 10 // longer ones are compressed with gzip, as clients expect
	MaxDatagram   = 60 << 10
)

// NewDatagram writes a push. A list that does not fit is an error; its clients see it when they ask.
func NewDatagram(info *ServiceInfo) ([]byte, error) {
	data, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("nacoswire: encode push: %w", err)
	}
	b, err := json.Marshal(Datagram{"dom", string(data), info.LastRefTime})
	if err != nil {
		return nil, fmt.Errorf("nacoswire: encode push: %w", err)
	}
	if len(b) > plainDatagram {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b) // into memory
		_ = w.Close()
		b = out.Bytes()
	}
	if len(b) > MaxDatagram {
		return nil, fmt.Errorf("nacoswire: encode push: %d bytes do not fit into a datagram", len(b))
	}
	return b, nil
}

// ParseAck reads the answer to a push: the LastRefTime that it names, as a number or as text. What is something else is false.
func ParseAck(b []byte) (int64, bool) {
	var a struct {
		Type        string          `json:"type"`
		LastRefTime json.RawMessage `json:"lastRefTime"`
	}
	if json.Unmarshal(b, &a) != nil || a.Type != "push-ack" {
		return 0, false
	}
	var n int64
	err := json.Unmarshal([]byte(strings.Trim(string(a.LastRefTime), `"`)), &n)
	return n, err == nil
}
