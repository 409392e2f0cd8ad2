package snapshot

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type plane struct {
	name string
	fail error
	log  *[]string
}

func (p *plane) Name() string { return p.name }
func (p *plane) Prepare(context.Context, *Snapshot) (Change, error) {
	*p.log = append(*p.log, p.name+" prepare")
	if p.fail != nil {
		return nil, p.fail
	}
	return p, nil
}
func (p *plane) Commit()                { *p.log = append(*p.log, p.name+" commit") }
func (p *plane) Abort()                 { *p.log = append(*p.log, p.name+" abort") }
func (p *plane) Retire(context.Context) {}

func TestPlanesFailApart(t *testing.T) {
	var log []string
	bad := &plane{"bad", errors.New("no room"), &log}
	s := NewStore(&plane{"a", nil, &log}, bad, &plane{"b", nil, &log})
	defer s.Close()
	next := New(Contents{Version: 1})
	if refused := s.Publish(t.Context(), next); !slices.Equal(refused, []string{"bad"}) {
		t.Fatalf("refused %v", refused)
	}
	if want := []string{"a prepare", "bad prepare", "b prepare", "a commit", "b commit"}; !slices.Equal(log, want) {
		t.Errorf("planes saw %v, want %v", log, want)
	}
	if s.Load() != next {
		t.Error("the snapshot is not current")
	}
	if got := s.Planes()[1]; got.Err != "no room" || got.Version != 0 {
		t.Errorf("the refusing plane stands at %+v", got)
	}
	log, bad.fail = nil, nil
	if refused := s.Publish(t.Context(), next); len(refused) > 0 {
		t.Fatalf("refused %v", refused)
	}
	if want := []string{"bad prepare", "bad commit"}; !slices.Equal(log, want) {
		t.Errorf("the second try had %v, want only the plane that refused: %v", log, want)
	}
}

func TestSealedStoreTouchesNoPlane(t *testing.T) {
	var log []string
	s := NewStore(&plane{"a", nil, &log})
	defer s.Close()
	last := New(Contents{Version: 1})
	s.Publish(t.Context(), last)
	log = nil
	s.Seal()
	if refused := s.Publish(t.Context(), New(Contents{Version: 2})); len(refused) > 0 || len(log) > 0 || s.Load() != last {
		t.Errorf("refused %v, planes saw %v, current is version %d", refused, log, s.Load().Version())
	}
}
