package registry

import (
	"fmt"
	"runtime"
	"testing"

	"paifang/internal/model"
)

// 100,000 instances in 10,000 services, all rendered, with 1,000 watchers of 10 services each. The bound of 500 MB for a whole process
// leaves the rest to its connections.
func TestMemory(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := open(t, Options{})
	key := func(i int) Key { return Key{"public", "DEFAULT_GROUP", fmt.Sprint("service-", i)} }
	for i := range 100_000 {
		in := at(fmt.Sprintf("10.%d.%d.%d:8080", i>>16, i>>8&255, i&255))
		in.Metadata = model.NewTags(map[string]string{"version": fmt.Sprint("v", i%3), "preserved.register.source": "SPRING_CLOUD"})
		must(t, r.Register(key(i%10_000), in))
	}
	for i := range 1000 {
		w := r.Watch()
		defer w.Close()
		for j := range 10 {
			w.Add(key((i*10 + j) % 10_000))
		}
	}
	for i := range 10_000 {
		if n := len(r.View(key(i)).Instances); n != 10 {
			t.Fatalf("%d instances", n)
		}
	}
	took := (heap() - before) >> 20
	t.Logf("%d MiB", took)
	if took > 150 {
		t.Errorf("%d MiB, at most 150 are allowed", took)
	}
	runtime.KeepAlive(r)
}
