package podrun

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"paifang/internal/model"

	"pgregory.net/rapid"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a b  c`:             {"a", "b", "c"},
		`a 'b c' "d e"`:      {"a", "b c", "d e"},
		`a ''`:               {"a", ""},
		`a\ b c`:             {"a b", "c"},
		`"a\"b" '\n' "\n"`:   {`a"b`, `\n`, `\n`},
		`java -Dx="1 2".y z`: {"java", "-Dx=1 2.y", "z"},
		"a \\\nb":            {"a", "b"},
		`sh -c 'a | b'`:      {"sh", "-c", "a | b"},
		`a $HOME ~ *`:        {"a", "$HOME", "~", "*"},
	} {
		if got, err := splitWords(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, bad := range []string{``, ` `, `''`, `a 'b`, `a "b`, `a \`, `a | b`, `a && b`, `a > b`, "a `b`"} {
		if got, err := splitWords(bad); err == nil {
			t.Errorf("%s: %q, want an error", bad, got)
		}
	}
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{`a 'b c' "d\" e" \f`, `'`, `"\`, "a\\\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := splitWords(line)
		if err != nil {
			return
		}
		quoted := make([]string, len(got))
		for i, w := range got {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := splitWords(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("%q: %q, and again %q, %v", line, got, again, err)
		}
	})
}

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "$(A)"}
	for text, want := range map[string]string{
		"x$(A)y": "x1y", "$$(A)": "$(A)", "$(NO)": "$(NO)", "$(B)": "$(A)", "$(A": "$(A", "$": "$", "$x$(A)$": "$x1$", "$()": "$()",
	} {
		if got := expand(text, func(n string) (string, bool) { v, ok := vars[n]; return v, ok }); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestLetters(t *testing.T) {
	for n, want := range map[int]string{0: "a", 1: "b", 25: "z", 26: "aa", 27: "ab", 51: "az", 52: "ba", 701: "zz", 702: "aaa"} {
		if got := letters(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{first: 10 * time.Second}
	var got []string
	for range 9 {
		got = append(got, b.after(time.Second).String())
	}
	got = append(got, b.after(10*time.Minute).String(), b.after(time.Second).String())
	want := "0s 10s 20s 40s 1m20s 2m40s 5m0s 5m0s 5m0s 0s 10s"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
}

func TestFindProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(dir, "app")
	p := programs{run: map[string]string{"img": self + " run"}, builtin: map[string][]string{"paifang.dev/example": {self, "example"}}}
	for name, test := range map[string]struct {
		c    model.Container
		want string // the words, or what the error must hold
	}{
		"command":            {model.Container{Command: []string{"./app", "x"}, Args: []string{"y"}, Dir: dir, Image: "img"}, app + " x y"},
		"absolute":           {model.Container{Command: []string{app}}, app},
		"run":                {model.Container{Image: "img", Args: []string{"y"}}, self + " run y"},
		"run by name":        {model.Container{Image: "img:v1@sha256:0"}, self + " run"},
		"missing, but run":   {model.Container{Command: []string{"/no/such"}, Image: "img"}, self + " run"},
		"exec":               {model.Container{Image: "other", Exec: "./app 'a b'", Dir: dir, Args: []string{"y"}}, app + " a b"},
		"builtin":            {model.Container{Image: "paifang.dev/example:v2", Args: []string{"z"}}, self + " example z"},
		"none":               {model.Container{Image: "nginx:1"}, "image nginx:1 is not pulled"},
		"missing":            {model.Container{Image: "nginx:1", Command: []string{"./no"}, Dir: dir}, "there is no " + filepath.Join(dir, "no")},
		"not in PATH":        {model.Container{Image: "nginx:1", Command: []string{"no-such-program-here"}}, "is not in PATH"},
		"no program":         {model.Container{Image: "nginx:1", Command: []string{"./text"}, Dir: dir}, "is no program"},
		"bad exec":           {model.Container{Image: "nginx:1", Exec: "a | b"}, "paifang.dev/exec"},
		"a registry's port":  {model.Container{Image: "host:5000/img"}, "image host:5000/img"},
		"builtin, own words": {model.Container{Image: "paifang.dev/example", Command: []string{"./app"}, Dir: dir}, app},
	} {
		argv, _, err := p.find(test.c)
		got := strings.Join(argv, " ")
		if err != nil {
			if got = err.Error(); strings.Contains(got, test.want) {
				got = test.want
			}
			if f, ok := err.(*fault); !ok || f.code != model.CodeNoProgram { //nolint:errorlint // find returns it as it is
				t.Errorf("%s: %v is no %s", name, err, model.CodeNoProgram)
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestPlanOneByOne(t *testing.T) {
	old, fresh := member{ready: true}, member{ready: true, current: true}
	unready, starting := member{}, member{current: true}
	two := want{replicas: 2, surge: 1}
	for name, test := range map[string]struct {
		w    want
		pods []member
		add  int
		end  []int
	}{
		"first":             {two, nil, 2, nil},
		"settled":           {two, []member{fresh, fresh}, 0, nil},
		"up":                {want{replicas: 3}, []member{fresh, fresh}, 1, nil},
		"down, unready":     {want{replicas: 1}, []member{starting, fresh}, 0, []int{0}},
		"to none":           {want{}, []member{fresh, starting}, 0, []int{0, 1}},
		"rollout":           {two, []member{old, old}, 1, nil},
		"new one starts":    {two, []member{old, old, starting}, 0, nil},
		"new one is ready":  {two, []member{old, old, fresh}, 1, []int{0}},
		"last old one":      {two, []member{old, fresh, starting}, 0, nil},
		"done":              {two, []member{old, fresh, fresh}, 0, []int{0}},
		"old is broken":     {two, []member{old, unready, fresh}, 1, []int{1}},
		"none fewer, new 0": {want{replicas: 1, unavailable: 1}, []member{old}, 1, []int{0}},
		"rolled back":       {two, []member{fresh, fresh, {}}, 0, []int{2}},
	} {
		add, end := plan(test.w, test.pods)
		if add != test.add || !slices.Equal(end, test.end) {
			t.Errorf("%s: add %d, end %v; want %d, %v", name, add, end, test.add, test.end)
		}
	}
}

// TestPlanBounds plays rollouts, scalings and failures to their end.
func TestPlanBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := want{rapid.IntRange(0, 6).Draw(t, "replicas"), rapid.IntRange(0, 3).Draw(t, "surge"), rapid.IntRange(0, 3).Draw(t, "unavailable")}
		bound := w
		if w.surge == 0 && w.unavailable == 0 {
			bound.surge = 1
		}
		var pods []member
		for range rapid.IntRange(0, 8).Draw(t, "there") {
			pods = append(pods, member{current: rapid.Bool().Draw(t, "current"), ready: rapid.Bool().Draw(t, "ready")})
		}
		before, total := ready(pods), len(pods)
		for step := 0; ; step++ {
			if step > 200 {
				t.Fatalf("never done: %+v", pods)
			}
			add, end := plan(w, pods)
			for _, i := range slices.Backward(end) {
				pods = slices.Delete(pods, i, i+1)
			}
			for range add {
				pods = append(pods, member{current: true, age: step})
			}
			if len(pods) > max(total, w.replicas+bound.surge) {
				t.Fatalf("%d pods, more than %+v allows", len(pods), bound)
			}
			if r := ready(pods); r < min(before, w.replicas-bound.unavailable) {
				t.Fatalf("%d ready, fewer than %+v allows, were %d", r, bound, before)
			}
			before, total = ready(pods), len(pods)
			next := slices.IndexFunc(pods, func(m member) bool { return m.current && !m.ready })
			if next >= 0 {
				pods[next].ready = true
				before++
			} else if add == 0 && len(end) == 0 {
				break
			}
		}
		if len(pods) != w.replicas || ready(pods) != w.replicas || slices.ContainsFunc(pods, func(m member) bool { return !m.current }) {
			t.Fatalf("ended with %+v, want %d current ones", pods, w.replicas)
		}
	})
}

func ready(pods []member) (n int) {
	for _, m := range pods {
		if m.ready {
			n++
		}
	}
	return n
}

func TestAddressesAreReusedLast(t *testing.T) {
	a := newAddresses()
	n := Node{Name: "n", Range: netip.MustParsePrefix("127.78.9.0/29")}
	var got []string
	take := func() netip.Addr {
		ip, err := a.take(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ip.String()[len("127.78.9."):])
		return ip
	}
	first := take()
	take()
	a.giveBack(first)
	for range 3 {
		take()
	}
	take() // .2 comes round again, after .6
	if s := fmt.Sprint(got); s != "[2 3 4 5 6 2]" {
		t.Error(s)
	}
	if ip, err := a.take(n, nil); err == nil {
		t.Errorf("%s from a range that is used up", ip)
	}
}

// A port below 1024 is refused to most users on every address: none of them has to be asked after the first, and what
// is said must not accuse another program.
func TestPortThatOnlyRootMayBind(t *testing.T) {
	a := newAddresses()
	asked := 0
	a.bind = func(_ netip.Addr, port uint16) error {
		asked++
		if port == 80 {
			return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
		}
		return nil
	}
	n := Node{Name: "n", Range: netip.MustParsePrefix("127.9.9.0/24")}
	ip, err := a.take(n, []uint16{8080, 80})
	if err == nil || !strings.Contains(err.Error(), "containerPort 80 is one that this user may not bind") || asked > 3 {
		t.Errorf("took %s (%v) after %d questions", ip, err, asked)
	}
	if ip, err := a.take(n, []uint16{8080}); err != nil || ip.String() != "127.9.9.2" {
		t.Errorf("took %s (%v)", ip, err)
	}
}

func TestConfigFaults(t *testing.T) {
	ok := Node{Name: "n", Range: netip.MustParsePrefix("127.78.9.0/24")}
	for name, c := range map[string]Config{
		"no nodes":   {},
		"no name":    {Nodes: []Node{{Range: ok.Range}}},
		"same name":  {Nodes: []Node{ok, ok}},
		"no range":   {Nodes: []Node{{Name: "n"}}},
		"no room":    {Nodes: []Node{{Name: "n", Range: netip.MustParsePrefix("127.78.9.0/31")}}},
		"bad --run":  {Nodes: []Node{ok}, Run: map[string]string{"i": "'"}},
		"no program": {Nodes: []Node{ok}, Run: map[string]string{"i": ""}},
	} {
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "podrun: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
