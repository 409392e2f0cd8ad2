package socket

import (
	"io"
	"testing"
)

func TestMoverKeepsWithoutAllocating(t *testing.T) {
	m := &Mover{}
	defer m.Close()
	j := join(t)
	one, b := []byte("0123456789"), make([]byte, 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := j.in.Write(one); err != nil {
			t.Fatal(err)
		}
		if n, err := m.Move(j.to, j.from, int64(len(one))); n != int64(len(one)) || err != nil {
			t.Fatal(n, err)
		}
		if _, err := io.ReadFull(j.out, b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
