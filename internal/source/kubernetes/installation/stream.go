package installation

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Stream is a port of the ConfigMap of TCP or UDP services.
type Stream struct {
	Key       string // as it was written: the port
	Port      uint16
	Namespace string
	Service   string
	Name      string // of the Service's port; "" = Number counts
	Number    int32
	Decode    bool // connections begin with a PROXY protocol header
	Encode    bool // and get one, version 1, on their way to the endpoint

	Fault string // why it cannot be served; "" = it can
}

// PortText is the Service's port as it was written.
func (s Stream) PortText() string {
	if s.Name != "" {
		return s.Name
	}
	return strconv.Itoa(int(s.Number))
}

// mostStreams bounds the ports of one ConfigMap.
const mostStreams = 1000

// Streams reads "PORT": "namespace/service:port[:PROXY][:PROXY]", in the order of the ports. tcp tells whether the PROXY protocol
// may be asked for.
func Streams(data map[string]string, tcp bool) []Stream {
	out := make([]Stream, 0, len(data))
	for key, text := range data {
		s := Stream{Key: key}
		s.Fault = s.read(text, tcp)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Stream) int { return cmp.Or(cmp.Compare(a.Port, b.Port), strings.Compare(a.Key, b.Key)) })
	for i := range out {
		switch {
		case out[i].Fault != "":
		case i >= mostStreams:
			out[i].Fault = "there are more than " + strconv.Itoa(mostStreams) + " ports"
		case i > 0 && out[i-1].Fault == "" && out[i-1].Port == out[i].Port:
			out[i].Fault = "the port is given twice"
		}
	}
	return out
}

func (s *Stream) read(text string, tcp bool) (fault string) {
	port, err := strconv.ParseUint(s.Key, 10, 16)
	if err != nil || port == 0 {
		return strconv.Quote(s.Key) + " is not a port"
	}
	s.Port = uint16(port)
	parts := strings.Split(strings.TrimSpace(text), ":")
	var both bool
	s.Namespace, s.Service, both = strings.Cut(parts[0], "/")
	if len(parts) < 2 || len(parts) > 4 || !both || s.Namespace == "" || s.Service == "" || strings.Contains(s.Service, "/") || parts[1] == "" {
		return strconv.Quote(text) + " is not namespace/service:port"
	}
	if n, err := strconv.ParseInt(parts[1], 10, 32); err != nil {
		s.Name = parts[1]
	} else if s.Number = int32(n); n < 1 || n > 65535 {
		return strconv.Quote(parts[1]) + " is not a port"
	}
	for i, p := range parts[2:] {
		if p != "" && !strings.EqualFold(p, "PROXY") {
			return strconv.Quote(p) + " is not PROXY"
		}
		if p == "" {
			continue
		}
		if !tcp {
			return "the PROXY protocol is for TCP"
		}
		if i == 0 {
			s.Decode = true
		} else {
			s.Encode = true
		}
	}
	return ""
}
