package actuator

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("ACTUATOR_WRITER"); dir != "" {
		writer(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// writer adds and replaces routes for ever, and prints each once it was told that it is kept.
func writer(dir string) {
	s := Open(dir)
	n := len(s.entries)
	if strings.Contains(" "+ids(s)+" ", " last ") {
		n--
	}
	for ; ; n++ {
		for _, id := range []string{"n" + strconv.Itoa(n), "last"} {
			e, err := entry(fmt.Appendf(nil, `{"uri":"lb://order-%d","predicates":["Path=/%d"],"filters":[%s]}`, n, n, strings.Repeat(`"AddRequestHeader=A,b",`, 20)+`"StripPrefix=1"`), id)
			if err == nil {
				err = s.Put(e)
			}
			if err != nil {
				fmt.Println("error", err)
				return
			}
		}
		fmt.Println(n)
	}
}

// TestKilledWhileItWrites ends a process that writes, at any moment and without warning. What it had been told to be kept is there.
func TestKilledWhileItWrites(t *testing.T) {
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kept := -1
	for round := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		c := exec.CommandContext(ctx, program)
		c.Env = append(os.Environ(), "ACTUATOR_WRITER="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			kept = n
			if i == 2+round { // the next one is being written; the rest of the lines is read below
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = c.Wait() // it was killed
		cancel()
		s := Open(dir)
		if s.broken != nil {
			t.Fatalf("round %d: %v", round, s.broken)
		}
		have := map[string]string{}
		for _, e := range s.entries {
			have[e.ID] = string(e.Text)
		}
		for n := range kept + 1 {
			if _, ok := have["n"+strconv.Itoa(n)]; !ok {
				t.Fatalf("round %d: route n%d was said to be kept and is not there", round, n)
			}
		}
		if len(have) > kept+3 {
			t.Errorf("round %d: %d routes, and %d were written", round, len(have), kept+1)
		}
	}
	if kept < 20 {
		t.Errorf("only %d routes were written", kept)
	}
}

func put(t *testing.T, s *Store, id, text string) error {
	t.Helper()
	e, err := entry([]byte(text), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.Put(e)
}

func ids(s *Store) string {
	var all []string
	for _, e := range s.entries {
		all = append(all, e.ID)
	}
	return strings.Join(all, " ")
}

// TestBrokenFile: the copy serves, nothing is written over what somebody may want back, and a mended file is taken in.
func TestBrokenFile(t *testing.T) {
	s := Open(t.TempDir())
	for _, id := range []string{"a", "b"} {
		if err := put(t, s, id, `{"uri":"lb://x"}`); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cut": string(good[:len(good)/2]), "empty": "", "twice": `[{"id":"a"},{"id":"a"}]`, "gone": "gone"} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(s.Path(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "gone" {
				if err := os.Remove(s.Path()); err != nil {
					t.Fatal(err)
				}
			}
			for when, x := range map[string]*Store{"running": s, "started": Open(s.dir)} {
				if err := put(t, x, "c", `{"uri":"lb://x"}`); err == nil {
					t.Errorf("%s: a route was written over what is there", when)
				}
				if ids(x) != "a b" || len(x.Diagnostics()) != 1 {
					t.Errorf("%s: %q and %v", when, ids(x), x.Diagnostics())
				}
			}
			if now, err := os.ReadFile(s.Path()); string(now) != text && name != "gone" {
				t.Errorf("the file has %q now, %v", now, err)
			}
			if err := os.WriteFile(s.Path(), []byte(`[{"id":"b"}]`), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Reread(); err != nil || ids(s) != "b" || s.Diagnostics() != nil {
				t.Fatalf("mended: %v, %q", err, ids(s))
			}
			if err := os.WriteFile(s.Path(), good, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Reread(); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := put(t, s, "c", `{"uri":"lb://x"}`); err != nil || ids(Open(s.dir)) != "a b c" {
		t.Errorf("%v, %q", err, ids(Open(s.dir)))
	}
}

// TestUnwritable: what cannot be written is not in force either.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	if err := put(t, s, "a", `{"uri":"lb://x"}`); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.Path()+".new", 0o700); err != nil { // where the next one would be written
		t.Fatal(err)
	}
	if err := put(t, s, "b", `{"uri":"lb://x"}`); err == nil || ids(s) != "a" {
		t.Errorf("%v, %q", err, ids(s))
	}
}

// TestEntry: the order of arguments stays, texts are spelled without escapes, and the ID is the one in the path.
func TestEntry(t *testing.T) {
	for _, c := range []struct{ text, id, want string }{
		{`{"uri":"lb:\/\/x","id":"own","filters":[{"args":{"_genkey_10":"a","_genkey_2":"\u00e9\ud83d\ude00"},"name":"X"}],"order":-5}`, "a",
			`{"id":"a","uri":"lb://x","filters":[{"args":{"_genkey_10":"a","_genkey_2":"é😀"},"name":"X"}],"order":-5}`},
		{`{"id":"own","metadata":{"b":true,"c":null,"d":1.50}}`, "", `{"id":"own","metadata":{"b":true,"c":null,"d":1.50}}`},
		{`{}`, "a", `{"id":"a"}`},
	} {
		e, err := entry([]byte(c.text), c.id)
		if err != nil || string(e.Text) != c.want {
			t.Errorf("%s: %s, %v", c.text, e.Text, err)
		}
	}
	for _, text := range []string{``, `[]`, `"a"`, `{"uri":}`, `{"uri":1} {}`, `{"a":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`, `{"id":7}`} {
		if e, err := entry([]byte(text), "a"); err == nil {
			t.Errorf("%s: %s", text, e.Text)
		}
	}
	for _, id := range []string{strings.Repeat("x", 300), "a\nb", "\xff"} {
		if _, err := entry([]byte(`{}`), id); err == nil {
			t.Errorf("id %q is taken", id)
		}
	}
}
