package app

import (
	"net/netip"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/telemetry"
)

func TestTrafficIsCounted(t *testing.T) {
	counted := newTraffic()
	at := netip.MustParseAddrPort("127.1.1.2:8080")
	record := telemetry.Access{Time: time.Now(), Listener: "node-1/http", Upstream: "u", Endpoint: at, Total: 4 * time.Millisecond, FirstByte: 2 * time.Millisecond}
	for _, status := range []int{200, 101, 302, 404, 500, 503, 0} {
		record.Status = status
		counted.seen(&record)
	}
	counted.seen(&telemetry.Access{Time: time.Now(), Listener: "node-1/http", Status: 404}) // no route took it
	all := counted.read()
	want := adminapi.Traffic{Part: adminapi.OfListener, Name: "node-1/http", Unit: adminapi.Requests, Count: 8, Errors: 3, Refused: 2, Latency: 28}
	if got := all[carrier{listener: "node-1/http"}].row(adminapi.OfListener, "node-1/http", ""); got != want {
		t.Errorf("listener has %+v, want %+v", got, want)
	}
	want = adminapi.Traffic{Part: adminapi.OfEndpoint, Name: at.String(), Upstream: "u", Unit: adminapi.Requests, Count: 7, Errors: 3, Refused: 1, Latency: 14}
	if got := all[carrier{upstream: "u", endpoint: at}].row(adminapi.OfEndpoint, at.String(), "u"); got != want {
		t.Errorf("endpoint has %+v, want %+v", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { counted.seen(&record) }); n > 0 {
		t.Errorf("a request costs %v allocations", n)
	}
}

// Endpoints come and go for months; what is remembered of them is bounded.
func TestTrafficForgetsWhoIsIdle(t *testing.T) {
	counted := newTraffic()
	record := telemetry.Access{Time: time.Now().Add(-time.Hour), Listener: "l", Upstream: "u", Status: 200}
	endpoint := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)}), 80)
	}
	for i := range maxCarriers + 100 {
		record.Endpoint = endpoint(i)
		counted.seen(&record)
	}
	if n := len(counted.read()); n != maxCarriers {
		t.Errorf("%d carriers are remembered, want %d", n, maxCarriers)
	}
	record.Time, record.Endpoint = time.Now(), endpoint(1<<20)
	counted.seen(&record)
	if all := counted.read(); len(all) > 2 || all[carrier{upstream: "u", endpoint: record.Endpoint}] == nil {
		t.Errorf("%d carriers are remembered after an hour of silence", len(all))
	}
}
