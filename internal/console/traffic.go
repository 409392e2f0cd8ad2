package console

import (
	"encoding/json"
	"fmt"
	"strings"

	"paifang/internal/adminapi"
)

// sum is traffic added up.
type sum struct {
	count, errors, refused uint64
	latency                float64 // milliseconds
	open                   int
}

// sums are by key: "name||NAME", "listener||ID", "route||ID", "endpoint|UPSTREAM|ADDRESS", and "upstream||ID" for all endpoints of one. The script
// adds up under the same keys.
type sums map[string]sum

func addUp(all []adminapi.Traffic) sums {
	out := sums{}
	for _, t := range all {
		out.add(key(t.Part, t.Upstream, t.Name), t)
		if t.Part == adminapi.OfEndpoint {
			out.add(key("upstream", "", t.Upstream), t)
		}
	}
	return out
}

func key(part adminapi.Part, upstream, name string) string {
	return strings.Join([]string{string(part), upstream, name}, "|")
}

func (s sums) add(key string, t adminapi.Traffic) {
	c := s[key]
	c.count += t.Count
	c.errors += t.Errors
	c.refused += t.Refused
	c.latency += t.Latency
	c.open += t.Open
	s[key] = c
}

// counts is what went through some parts together, as it is shown, and the keys by which the script finds it.
type counts struct {
	Of      string // a JSON array of keys; empty: nothing is counted here
	Unit    string // requests, connections, questions
	Count   string
	Errors  string
	Refused string
	Average string // with its unit
	Bad     bool   // there were errors
}

// Spent is what the average is of: all that a connection takes of a hop is to be connected on.
func (c counts) Spent() string {
	if c.Unit == string(adminapi.Connections) {
		return "connect"
	}
	return "average"
}

func (s sums) of(unit adminapi.Unit, keys ...string) counts {
	of, _ := json.Marshal(keys) // strings always have a JSON form
	var all sum
	for _, k := range keys {
		c := s[k]
		all.count += c.count
		all.errors += c.errors
		all.refused += c.refused
		all.latency += c.latency
	}
	out := counts{Of: string(of), Unit: string(unit), Count: fmt.Sprint(all.count), Errors: fmt.Sprint(all.errors), Refused: fmt.Sprint(all.refused), Bad: all.errors > 0, Average: "–"}
	if all.count > 0 && all.latency > 0 {
		out.Average = fmt.Sprintf("%.2f ms", all.latency/float64(all.count))
	}
	return out
}
