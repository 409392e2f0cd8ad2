//go:build unix

package telemetry

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A named pipe that nobody reads is told about at once, and does not hold the start up; one that is read takes the lines.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := OpenAccessLog(path, Options{}); err == nil {
		_ = l.Close()
		t.Fatal("it is open without a reader")
	} else if !strings.Contains(err.Error(), path+" is a named pipe, and nobody reads it") {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	l := open(t, path)
	l.Record(record("/through"))
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil || !strings.Contains(line, `"path":"/through"`) {
		t.Errorf("%q, %v", line, err)
	}
}
