package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type names map[string][]netip.Addr

func (n names) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	if host == "slow" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return n[host], nil
}

func TestAll(t *testing.T) {
	a := netip.MustParseAddr
	r := names{"both": {a("fd00::1"), a("10.0.0.2"), a("::ffff:10.0.0.1"), a("10.0.0.2")}, "six": {a("fd00::2")}}
	got := All(t.Context(), r, map[string]string{"x": "both", "y": "six", "z": "none", "w": "slow"}, 20*time.Millisecond)
	if text := fmt.Sprint(got["x"].Addrs, got["y"].Addrs); text != "[10.0.0.1 10.0.0.2] [fd00::2]" || got["x"].Err != nil {
		t.Error(text, got["x"].Err)
	}
	if got["z"].Err == nil || !errors.Is(got["w"].Err, context.DeadlineExceeded) || len(got) != 4 {
		t.Error(got)
	}
	if Time(0) != 0 || Time(8) != once || Time(9) != 2*once {
		t.Error("the time is not that of rounds")
	}
}
