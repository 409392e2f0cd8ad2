package nacos

import (
	"fmt"
	"testing"

	"paifang/internal/nacoswire"
)

// A push may overtake the answer to the subscription, and two changes may be in one millisecond of a server's clock: the older list does
// not come back, and the later one counts.
func TestLastRefTime(t *testing.T) {
	order := Service{Name: "order"}.plain()
	f := &followed[[]Instance]{news: make(chan struct{})}
	c := &Client{lists: map[Service]*followed[[]Instance]{order: f}}
	for _, step := range []struct {
		ref  int64
		ip   string
		how  manner
		want string
	}{
		{5, "10.0.0.5", pushed, "10.0.0.5"},
		{4, "10.0.0.4", answered, ""}, {5, "10.0.0.6", answered, ""}, {4, "10.0.0.4", pushed, ""},
		{5, "10.0.0.5", pushed, ""}, // said twice
		{5, "10.0.0.7", pushed, "10.0.0.7"},
		{6, "10.0.0.8", answered, "10.0.0.8"},
	} {
		news, before := f.news, fmt.Sprint(f.value)
		c.offer(order, &nacoswire.ServiceInfo{LastRefTime: step.ref, Hosts: []nacoswire.Instance{nacoswire.NewInstance(step.ip, 80)}}, step.how)
		told := news != f.news
		if told != (step.want != "") || told && f.value[0].Addr.Addr().String() != step.want || !told && fmt.Sprint(f.value) != before {
			t.Errorf("%+v: told %t, %v", step, told, f.value)
		}
	}
}
