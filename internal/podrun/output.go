package podrun

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// lineMax is where a line that does not end is cut for Config.Output, in bytes.
const lineMax = 64 << 10

// output is where a pod's prints go: a file, and line by line to a hook.
type output struct {
	pod  string
	hook func(pod string, line []byte)

	mu   sync.Mutex
	file *os.File // nil: none
	last []byte   // the last line that was not empty, for messages
}

// openOutput appends to the file at path; an empty path drops what is printed.
func openOutput(path, pod string, hook func(string, []byte)) (*output, error) {
	o := &output{pod: pod, hook: hook}
	if path == "" {
		return o, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("podrun: make the directory for logs: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("podrun: open the log of %s: %w", pod, err)
	}
	o.file = f
	return o, nil
}

// copy reads until the end. A file that cannot be written any more does not hold up the pod.
func (o *output) copy(from io.Reader) {
	buf := make([]byte, 32<<10)
	var line []byte
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if o.file != nil {
				_, _ = o.file.Write(buf[:n])
			}
			line = o.lines(append(line, buf[:n]...))
		}
		if err != nil {
			if len(line) > 0 {
				o.line(line)
			}
			return
		}
	}
}

// lines hands on the whole lines of text and returns the rest.
func (o *output) lines(text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			break
		}
		o.line(bytes.TrimSuffix(text[:i], []byte{'\r'}))
		text = text[i+1:]
	}
	if len(text) >= lineMax {
		o.line(text)
		return nil
	}
	return bytes.Clone(text)
}

func (o *output) line(l []byte) {
	if len(bytes.TrimSpace(l)) > 0 {
		o.mu.Lock()
		o.last = append(o.last[:0], l[:min(len(l), 300)]...)
		o.mu.Unlock()
	}
	if o.hook != nil {
		o.hook(o.pod, l)
	}
}

// lastLine is the last thing that was said, cut to 300 bytes.
func (o *output) lastLine() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(bytes.ToValidUTF8(o.last, []byte("?")))
}

func (o *output) close() {
	if o.file != nil {
		_ = o.file.Close()
	}
}
