package up

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"paifang/internal/adminapi"
)

// alreadyRunning is an error when an up answers at the admin address, or one that uses the state directory answers at its
// own.
func (p *Plan) alreadyRunning(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	at := p.Addr["admin"].String()
	view, err := adminapi.NewClient(at).Read(ctx, adminapi.Infos)
	if err == nil && len(view.Info) > 0 { // else somebody else has the port, which is checked next
		i := theUp(view.Info)
		return fmt.Errorf("up: one is running already: process %d, admin API %s, reading %s, state in %s.\n"+
			"End it there with Ctrl-C, or give this one ports of its own: --port-offset 100", i.PID, at, i.Dir, i.State)
	}
	user, ok := p.readMark()
	if !ok {
		return nil
	}
	view, err = adminapi.NewClient(user.admin).Read(ctx, adminapi.Infos)
	if err != nil {
		return nil // it has ended
	}
	for _, i := range view.Info {
		if i.PID == user.pid {
			return fmt.Errorf("up: the state directory %s is in use: process %d runs already, admin API %s, reading %s.\n"+
				"End it there with Ctrl-C, or give this one a state of its own: --state DIR", p.State, i.PID, user.admin, i.Dir)
		}
	}
	return nil
}

// theUp is the process that a person started, of those that answer together, with its whole state directory. A process that
// is no up is the only one.
func theUp(all []adminapi.Info) adminapi.Info {
	for _, i := range all {
		if i.Name == "up" {
			i.State = filepath.Dir(i.State) // what it told is the part for data
			return i
		}
	}
	return all[0]
}

// mark is what a state directory says of the up that used it last. Its file also tells that the directory is one of ours,
// which may be emptied.
type mark struct {
	pid   int
	admin string // address:port
}

func (p *Plan) markFile() string { return filepath.Join(p.State, ".paifang-up") }

func (p *Plan) readMark() (m mark, ok bool) {
	text, err := os.ReadFile(p.markFile())
	if err != nil {
		return m, false
	}
	_, err = fmt.Sscanf(string(text), "process %d\nadmin %s\n", &m.pid, &m.admin)
	return m, err == nil
}

func (p *Plan) writeMark() error {
	text := fmt.Sprintf("process %d\nadmin %s\n", os.Getpid(), p.Addr["admin"])
	if err := os.WriteFile(p.markFile(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("up: mark the state directory: %w", err)
	}
	return nil
}

// empty empties the state directory, unless there is something in it that no up has put there.
func (p *Plan) empty() error {
	entries, err := os.ReadDir(p.State)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("up: empty the state: %w", err)
	}
	if _, err := os.Stat(p.markFile()); err != nil {
		return fmt.Errorf("up: --fresh would empty %s, which is no state directory of paifang up: there is no %s in it.\n"+
			"Give another --state DIR, or empty this one yourself", p.State, filepath.Base(p.markFile()))
	}
	if err := os.RemoveAll(p.State); err != nil {
		return fmt.Errorf("up: empty the state: %w", err)
	}
	return nil
}
