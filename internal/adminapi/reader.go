package adminapi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/explain"
	"paifang/internal/model"
)

// Reader makes views.
type Reader interface {
	// Read returns a view with the given kinds in it.
	Read(ctx context.Context, kinds ...Kind) (View, error)
}

// Named is a reader of one of several processes.
type Named struct {
	Name   string // of its piece: "node-1"
	Reader Reader
}

// Without reads everything from r but some kinds: what a process that sees a part of the whole would say of it is wrong,
// and not merely incomplete. Of those the view is empty.
func Without(r Reader, kinds ...Kind) Reader { return without{r, kinds} }

type without struct {
	reader Reader
	kinds  []Kind
}

// Read implements Reader.
func (w without) Read(ctx context.Context, kinds ...Kind) (View, error) {
	kept := slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool { return slices.Contains(w.kinds, k) })
	if len(kept) == 0 {
		return View{}, nil
	}
	return w.reader.Read(ctx, kept...)
}

// Merged reads several processes as one: their rows together, sorted, each once. Where two processes have a row under
// one key, the first one's counts. A process that does not answer within two seconds is a *PartialError.
type Merged []Named

// mergeWithin bounds the wait for one of several processes: one that is frozen must not take the others' rows with it.
const mergeWithin = 2 * time.Second

var _ Reader = Merged{}

// Read implements Reader.
func (m Merged) Read(ctx context.Context, kinds ...Kind) (View, error) {
	type answer struct {
		view View
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, mergeWithin)
	defer cancel()
	answers := make([]chan answer, len(m))
	for i, n := range m {
		answers[i] = make(chan answer, 1)
		go func() {
			v, err := n.Reader.Read(ctx, kinds...)
			if err != nil && ctx.Err() != nil {
				err = fmt.Errorf("no answer within %v", mergeWithin)
			}
			answers[i] <- answer{v, err}
		}()
	}
	var out View
	var errs []error
	for i, n := range m {
		a := <-answers[i]
		if a.err != nil {
			errs = append(errs, &PieceError{n.Name, a.err})
			continue
		}
		for j := range a.view.Upstreams {
			if a.view.Upstreams[j].SeenBy == "" {
				a.view.Upstreams[j].SeenBy = n.Name
			}
		}
		for j := range a.view.Traffic {
			if a.view.Traffic[j].SeenBy == "" {
				a.view.Traffic[j].SeenBy = n.Name
			}
		}
		for _, k := range kinds {
			k.section().merge(&out, a.view)
		}
	}
	if len(errs) > 0 {
		return out, &PartialError{errors.Join(errs...)}
	}
	return out, nil
}

// PartialError says which processes did not answer. The view beside it has what the others said.
type PartialError struct{ Err error }

// Error is one line.
func (e *PartialError) Error() string { return "incomplete: " + oneLine(e.Err.Error()) }

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// PieceError is a process that could not be read.
type PieceError struct {
	Piece string
	Err   error
}

// Error returns "piece: why".
func (e *PieceError) Error() string {
	if n, ok := errors.AsType[*NothingAnswers](e.Err); ok { // its advice is for those who have no process at all
		return e.Piece + ": nothing answers at " + n.Address
	}
	return e.Piece + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *PieceError) Unwrap() error { return e.Err }

// Gathered is a view as explain wants it: the state of a world that runs in other processes. It needs the kinds
// Upstreams, Lists and Pods.
type Gathered struct{ View View }

var (
	_ explain.Upstreams = Gathered{}
	_ explain.Lists     = Gathered{}
	_ explain.Pods      = Gathered{}
)

// Upstream returns an upstream as a node sees it; where that node told nothing, as the first one does.
func (g Gathered) Upstream(id model.UpstreamID, node string) (explain.Upstream, bool) {
	var found explain.Upstream
	ok := false
	for _, u := range g.View.Upstreams {
		switch {
		case u.ID != string(id):
		case u.SeenBy == node:
			return u.State, true
		case !ok:
			found, ok = u.State, true
		}
	}
	return found, ok
}

// List returns a list.
func (g Gathered) List(id model.EndpointsID) (explain.List, bool) {
	i := slices.IndexFunc(g.View.Lists, func(l explain.List) bool { return l.ID == id })
	if i < 0 {
		return explain.List{}, false
	}
	return g.View.Lists[i], true
}

// Lists returns all lists.
func (g Gathered) Lists() []explain.List { return g.View.Lists }

// Pods returns the pods.
func (g Gathered) Pods() []explain.Pod { return g.View.Pods }

// addrText joins addresses for people.
func addrText(addrs []netip.AddrPort) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

// keptBy is a keeper as it is shown.
func keptBy(keeper string) string {
	name, isFurther := strings.CutPrefix(keeper, model.KeeperRegistry+"/")
	switch {
	case keeper == model.KeeperKubernetes:
		return "Kubernetes"
	case keeper == model.KeeperStatic:
		return "configuration"
	case isFurther:
		return "registry " + name
	default:
		return keeper
	}
}
