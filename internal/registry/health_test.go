package registry

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage/storagetest"
)

// What checks find is stored where other processes use the storage too. Without it, this process goes by what it has found; afterwards
// that is stored.
func TestHealthIsStored(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { l.Close() }()
	store := storagetest.NewShared()
	defer store.Close()
	r := reopen(t, Options{Store: store, Probes: probe.Options{Every: 5 * time.Millisecond},
		Addresses: AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}})
	defer r.Close()
	at := l.Addr().String()
	must(t, r.Register(order, fixed(at)))
	stands := func() string {
		t.Helper()
		entries, _, err := store.List(t.Context(), fixedRoot)
		must(t, err)
		if strings.Contains(string(entries[0].Value), `"unhealthy":true`) {
			return "unhealthy"
		}
		return "healthy"
	}
	become := func(shown, stored string, local bool) {
		t.Helper()
		var is string
		want := fmt.Sprint(at, shown, ", stored ", stored, ", local ", local)
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			v := r.View(order)
			if is = fmt.Sprint(text(v), ", stored ", stands(), ", local ", v.Local); is == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s; want %s", is, want)
			}
		}
	}
	become("", "healthy", false)
	must(t, l.Close())
	become(" unhealthy", "unhealthy", false)
	before := r.View(order)
	again := fixed(at)
	again.Weight = 2
	must(t, r.Register(order, again)) // says nothing of its health
	become(" unhealthy weight 2", "unhealthy", false)
	if v := r.View(order); v.LastRef <= before.LastRef {
		t.Errorf("lastRef %d after %d", v.LastRef, before.LastRef)
	}

	store.Lose(time.Now())
	l, err = net.Listen("tcp", at)
	must(t, err)
	become(" weight 2", "unhealthy", true)
	store.Find()
	become(" weight 2", "healthy", false)
}
