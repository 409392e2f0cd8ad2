package explain

import (
	"fmt"
	"net/netip"
	"strings"

	"paifang/internal/model"
)

// Explain says what would become of a request. An error means that it is none.
func Explain(w World, q Request) (Result, error) {
	a, err := q.read()
	if err != nil {
		return Result{}, err
	}
	return walk(&w, a, nil), nil
}

// walker goes from hop to hop. Each step returns false where the request ends.
type walker struct {
	w    *World
	a    *asked
	done *happened // what happened; nil where nothing was sent
	r    Result

	addr    netip.Addr      // that the name leads to
	class   model.Class     // the name was published for
	entry   *model.Listener // that the client connects to
	port    uint16
	serving *model.Listener // HTTP or HTTPS
	viaSLB  bool
	route   foundRoute
	target  model.UpstreamID
	ending  string // the text of the last hop, where the end is known
}

func walk(w *World, a *asked, done *happened) Result {
	x := &walker{w: w, a: a, done: done}
	a.now = w.Now
	if done != nil && done.client.IsValid() {
		a.client = done.client
	}
	x.r = Result{Method: a.http.Method, URL: a.url, Sent: done != nil}
	x.hop("client", a.line(), "")
	for _, step := range []func() bool{x.name, x.enter, x.slb, x.listen, x.passOn, x.admitted, x.match, x.admittedClear, x.balance} {
		if !step() {
			break
		}
	}
	x.answer()
	x.title()
	return x.r
}

// hop adds a line. A source that is given is shown in brackets where the text has "%s" for it.
func (x *walker) hop(name, text, source string) *Hop {
	x.r.Hops = append(x.r.Hops, Hop{N: len(x.r.Hops) + 1, Name: name, Text: text, Source: source})
	return &x.r.Hops[len(x.r.Hops)-1]
}

// end adds a line at which the request ends, and what the last line then says.
func (x *walker) end(name, text, source, ending string) bool {
	x.hop(name, text, source).Problem = true
	x.ending = ending
	return false
}

// endStatus is end with an answer of our own.
func (x *walker) endStatus(name, text, source string, status int, code string) bool {
	x.r.Status, x.r.Code = status, code
	ending := fmt.Sprint(status)
	if code != "" {
		ending += " " + code
	}
	return x.end(name, text, source, ending)
}

// in returns " (file:line)", or nothing.
func in(source string) string {
	if source == "" {
		return ""
	}
	return " (" + source + ")"
}

// answer is the last line.
func (x *walker) answer() {
	if x.done == nil {
		text := "not asked (--send asks)"
		if x.w.Upstreams == nil {
			text = "not asked: these are files, and nothing runs"
		}
		if x.ending != "" {
			text = x.ending + "; " + text
		}
		x.hop("answer", text, "")
		return
	}
	d := x.done
	if d.err != "" {
		x.hop("answer", d.err, "").Problem = true
		return
	}
	if d.status == 0 {
		text := "nothing was sent"
		if x.ending != "" {
			text = x.ending + "; " + text
		}
		x.hop("answer", text, "").Problem = true
		return
	}
	x.r.Status, x.r.Code = d.status, d.code
	text := fmt.Sprint(d.status)
	if d.code != "" {
		text += " " + d.code
	}
	text += fmt.Sprintf(" in %s", millis(d.total))
	if e := d.exchange; e != nil && e.FirstByte > 0 {
		text += fmt.Sprintf(", the first byte from the pod after %s", millis(e.FirstByte))
	}
	text += fmt.Sprintf(", %s", count(int(d.bytes), "byte"))
	h := x.hop("answer", text, "")
	h.MS, h.Problem = float64(d.total.Microseconds())/1000, d.status >= 500
}

// title names the road by where the addresses come from, and the stations that this request passes.
func (x *walker) title() {
	var at []string
	has := func(name string) bool {
		for _, h := range x.r.Hops {
			if h.Name == name {
				return true
			}
		}
		return false
	}
	_, isAddress := x.a.address()
	switch {
	case x.r.Road == 2:
		if x.viaSLB {
			at = append(at, "SLB")
		}
		at = append(at, "gateway", "registry", "pod")
	case x.r.Road == 1:
		if !isAddress {
			at = append(at, "domain")
		}
		if x.viaSLB {
			at = append(at, "SLB")
		}
		at = append(at, "ingress", "service", "pod")
	case x.target != "" && has("endpoint"):
		x.r.Title = x.a.url + " takes neither road: its addresses are written down"
		return
	default:
		last := x.r.Hops[len(x.r.Hops)-2]
		x.r.Title = fmt.Sprintf("%s takes no road: it ends at hop %d, %s", x.a.url, last.N, last.Name)
		return
	}
	x.r.Title = fmt.Sprintf("%s takes road %d: %s", x.a.url, x.r.Road, strings.Join(at, ", "))
}

// count is "1 byte", "2 bytes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
