package interop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is a client in another language: a command is a line of fields between tabs, and so is its answer, which begins
// with "ok" or "error". Everything else that it prints is its log.
type process struct {
	t    *testing.T
	mu   sync.Mutex
	in   io.WriteCloser
	said chan string
	log  buffer
	done chan struct{}
}

// answerWithin bounds one command; the slowest one waits for a client that connects.
const answerWithin = 30 * time.Second

func launch(t *testing.T, a access, dir, name string, args ...string) client {
	t.Helper()
	cmd := exec.Command(name, args...)
	if a.tls != "" {
		cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+a.tls)
	}
	cmd.Dir = dir
	p := &process{t: t, said: make(chan string, 16), done: make(chan struct{})}
	cmd.Stderr = &p.log
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, "ok\t") || strings.HasPrefix(line, "error\t") {
				p.said <- line
			} else {
				fmt.Fprintln(&p.log, line)
			}
		}
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		p.close()
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-p.done
		}
		if t.Failed() {
			t.Logf("%s: %s", name, p.log.String())
		}
	})
	if a.refused {
		return p
	}
	if _, err := p.do("ready"); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, p.log.String())
	}
	return p
}

func (p *process) do(fields ...string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := io.WriteString(p.in, strings.Join(fields, "\t")+"\n"); err != nil {
		return "", err
	}
	select {
	case line := <-p.said:
		verdict, rest, _ := strings.Cut(line, "\t")
		if verdict == "error" {
			return "", errors.New(rest)
		}
		return rest, nil
	case <-p.done:
		return "", fmt.Errorf("%s: the process has ended", fields[0])
	case <-time.After(answerWithin):
		return "", fmt.Errorf("%s: no answer within %v", fields[0], answerWithin)
	}
}

func (p *process) only(fields ...string) error {
	_, err := p.do(fields...)
	return err
}

func (p *process) instances(fields ...string) ([]instance, error) {
	text, err := p.do(fields...)
	if err != nil {
		return nil, err
	}
	var out []instance
	for s := range strings.FieldsSeq(text) {
		in, err := parseInstance(s)
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

func (p *process) register(service string, in instance) error {
	return p.only("register", service, in.String())
}

func (p *process) batch(service string, list []instance) error {
	return p.only("batch", service, text(list))
}

func (p *process) deregister(service string, in instance) error {
	return p.only("deregister", service, in.String())
}
func (p *process) list(service string) ([]instance, error) { return p.instances("list", service) }
func (p *process) subscribe(service string) error          { return p.only("subscribe", service) }

func (p *process) services() ([]string, error) {
	text, err := p.do("services")
	return strings.Fields(text), err
}

// seen and heard answer "-" while nothing was told.
func (p *process) seen(service string) ([]instance, bool) {
	if s, err := p.do("seen", service); err != nil || s == "-" {
		return nil, false
	}
	list, err := p.instances("seen", service)
	return list, err == nil
}

func (p *process) publish(dataID, content string) error { return p.only("publish", dataID, content) }
func (p *process) publishCAS(dataID, content, md5 string) error {
	return p.only("publishcas", dataID, content, md5)
}
func (p *process) config(dataID string) (string, error) { return p.do("config", dataID) }
func (p *process) remove(dataID string) error           { return p.only("remove", dataID) }
func (p *process) listen(dataID string) error           { return p.only("listen", dataID) }

func (p *process) heard(dataID string) (string, bool) {
	s, err := p.do("heard", dataID)
	return s, err == nil && s != "-"
}

func (p *process) fuzzyWatch(prefix string) error { return p.only("fuzzy", prefix) }

func (p *process) fuzzySeen() []string {
	s, _ := p.do("fuzzyseen")
	return strings.Fields(s)
}

func (p *process) fuzzyWatchConfigs(prefix string) error { return p.only("fuzzyconfig", prefix) }

func (p *process) fuzzyConfigsSeen() []string {
	s, _ := p.do("fuzzyconfigseen")
	return strings.Fields(s)
}

func (p *process) close() { _ = p.in.Close() }
