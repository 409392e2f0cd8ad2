package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestEveryTimeoutArrives: each key sets the timeout that it is named for.
func TestEveryTimeoutArrives(t *testing.T) {
	var set Timeouts
	v := reflect.ValueOf(&set).Elem()
	for i := range v.NumField() {
		v.Field(i).SetInt(int64(i+1) * int64(time.Second))
	}
	got := reflect.ValueOf(set.engine(time.Minute))
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch name {
		case "UpstreamIdle":
			continue // of the table, below
		case "Retired":
			name = "RetiredStream"
		}
		if f := got.FieldByName(name); !f.IsValid() || f.Int() != v.Field(i).Int() {
			t.Errorf("%s is %v", name, f)
		}
	}
	if got.FieldByName("Drain").Int() != int64(time.Minute) {
		t.Error("the drain time got lost")
	}
	a := &App{cfg: Config{Zone: "a", Timeouts: set}, log: slog.New(slog.DiscardHandler)}
	if cfg, err := a.upstreams(); err != nil || cfg.Zone != "a" || cfg.IdleTime != time.Duration(set.UpstreamIdle) || cfg.AffinityKey != nil {
		t.Errorf("%+v, %v", cfg, err)
	}
}

func TestAffinityKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	a := &App{cfg: Config{Affinity: file}, log: slog.New(slog.DiscardHandler)}
	for text, want := range map[string]string{"": "fewer than 16", "short\n": "fewer than 16", "0123456789abcdef\n": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := a.upstreams()
		if want == "" && (err != nil || string(cfg.AffinityKey) != strings.TrimSpace(text)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, %v", text, cfg.AffinityKey, err)
		}
	}
	a.cfg.Affinity = file + "-not"
	if _, err := a.upstreams(); err == nil {
		t.Error("a key that is not there is no key")
	}
}

func TestNegativeTimeouts(t *testing.T) {
	const rest = "\ndns: {address: \"127.0.0.1:53\", zones: [test]}\n"
	if _, err := ParseConfig("f.yaml", []byte("timeouts: {request: -1s}"+rest)); err != nil {
		t.Errorf("a request without bound: %v", err)
	}
	if _, err := ParseConfig("f.yaml", []byte("timeouts:\n  response: -1s"+rest)); err == nil || !strings.Contains(err.Error(), "f.yaml:2: timeouts.response: is negative") {
		t.Errorf("%v", err)
	}
}
