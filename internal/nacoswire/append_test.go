package nacoswire

import (
	"encoding/json"
	"math"
	"testing"
)

// same compares with what encoding/json makes of the same, also inside of messages.
func same(t *testing.T, s *ServiceInfo) {
	t.Helper()
	want, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.AppendJSON([]byte("x")); string(got) != "x"+string(want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	response := ServiceResponse{Response: OK("7"), ServiceInfo: s}
	request := NotifySubscriberRequest{Request: Request{RequestID: "7"}, ServiceInfo: s}
	for _, made := range [][2]func() (*Payload, error){
		{func() (*Payload, error) { return response.Payload("a") }, func() (*Payload, error) { return NewPayload("a", response) }},
		{NotifySubscriberRequest{ServiceInfo: s}.Payload, func() (*Payload, error) {
			return NewPayload(TypeNotifySubscriber, NotifySubscriberRequest{ServiceInfo: s})
		}},
		{request.Payload, func() (*Payload, error) { return NewPayload(TypeNotifySubscriber, request) }},
	} {
		got, err := made[0]()
		if err != nil {
			t.Fatal(err)
		}
		want, err := made[1]()
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != want.Type || string(got.Body) != string(want.Body) {
			t.Errorf("%s %s\nwant %s %s", got.Type, got.Body, want.Type, want.Body)
		}
	}
}

func TestListsAreWrittenAsByTheLibrary(t *testing.T) {
	full := NewInstance("10.0.0.1", 8080)
	full.InstanceID, full.ClusterName, full.ServiceName = "10.0.0.1#8080#DEFAULT#g@@s", "DEFAULT", "g@@s"
	full.HeartBeatInterval, full.HeartBeatTimeout, full.IPDeleteTimeout = 5000, 15000, -1
	full.IDGenerator = "<simple>"
	full.Metadata = Metadata{"b": "2", "a": "<1> & \"x\" \\ \u2028 ü \x00\xff", "": "e", "é": "f"}
	for _, weight := range []float64{0, 1, -3, 0.5, 1e14, 1e15, 1e21, 1e-9, math.MaxFloat64, 1.0 / 3} {
		one := full
		one.Weight = weight
		same(t, &ServiceInfo{Name: "s", GroupName: "g\n", Clusters: "a,b", CacheMillis: CacheMillis, Hosts: []Instance{one, {}, NewInstance("::1", 1)}, LastRefTime: 1 << 60, Valid: true})
	}
	same(t, &ServiceInfo{})
	same(t, &ServiceInfo{Hosts: []Instance{}, AllIPs: true, ReachProtectionThreshold: true, Checksum: "c"})
}

func FuzzText(f *testing.F) {
	f.Add("a", "b<", 0.1)
	f.Fuzz(func(t *testing.T, a, b string, weight float64) {
		if math.IsNaN(weight) || math.IsInf(weight, 0) {
			return
		}
		same(t, &ServiceInfo{Name: a, Hosts: []Instance{{IP: b, Weight: weight, Metadata: Metadata{a: b, b: a}}}})
	})
}

func BenchmarkList(b *testing.B) {
	s := &ServiceInfo{Name: "order", GroupName: DefaultGroup, CacheMillis: CacheMillis, Valid: true}
	for range 16 {
		in := NewInstance("10.0.0.1", 8080)
		in.InstanceID, in.ClusterName, in.ServiceName = "10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@order", "DEFAULT", "DEFAULT_GROUP@@order"
		s.Hosts = append(s.Hosts, in)
	}
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			if _, err := json.Marshal(s); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			_ = s.AppendJSON(nil)
		}
	})
}
