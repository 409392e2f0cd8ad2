package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"paifang/internal/source"
)

func TestDirectoryGivesBackWhatItWasGiven(t *testing.T) {
	d := Directory(filepath.Join(t.TempDir(), "keep"))
	for _, n := range []int{0, 1, 1000} {
		var want []source.Group
		for i := range n {
			want = append(want, list(fmt.Sprintf("service/\"%d\"", i), fmt.Sprintf("127.1.%d.%d:80", i/200, i%200)))
		}
		heard := time.UnixMilli(1767225600500).Add(time.Duration(n) * time.Second)
		if err := d.Save("nacos/one", heard, want); err != nil {
			t.Fatal(err)
		}
		if got, at, err := d.Load("nacos/one"); err != nil || !reflect.DeepEqual(got, want) || !at.Equal(heard) {
			t.Errorf("%d groups: %v of %v, %v", n, got, at, err)
		}
	}
}

func TestDirectoryThatCannotBeWrittenKeepsWhatItHas(t *testing.T) {
	d := Directory(t.TempDir())
	if err := d.Save("a", time.Now(), []source.Group{list("order", "127.1.1.9:80")}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.file("a")+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.Save("a", time.Now(), nil); err == nil {
		t.Error("nothing is said")
	}
	if got, _, err := d.Load("a"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// slowKeep takes its time.
type slowKeep struct {
	sync.Mutex
	saved map[string]int
}

func (k *slowKeep) Save(name string, _ time.Time, _ []source.Group) error {
	time.Sleep(300 * time.Millisecond) // what is written takes as long
	k.Lock()
	defer k.Unlock()
	k.saved[name]++
	return nil
}

func (k *slowKeep) Load(string) ([]source.Group, time.Time, error) { return nil, time.Time{}, nil }

func (k *slowKeep) count(name string) int {
	k.Lock()
	defer k.Unlock()
	return k.saved[name]
}

// TestSavingIsPaced: a source that is slow to save and changes all the time is not saved all the time, and does not keep
// another one from it.
func TestSavingIsPaced(t *testing.T) {
	a, b, r, k := newScripted("a"), newScripted("b"), newRecorder(), &slowKeep{saved: map[string]int{}}
	start(t, Config{Parts: []Part{{Source: a, Required: true, Saved: true}, {Source: b, Required: true, Saved: true}}, Endpoints: r, Publisher: r, Keep: k})
	a.say <- source.Update{Groups: []source.Group{list("order", "127.1.1.9:80")}, Full: true}
	b.say <- source.Update{Groups: []source.Group{list("user", "127.1.1.8:80")}, Full: true}
	for i := 0; k.count("b") == 0 || i < 30; i++ {
		if i == 200 {
			t.Fatalf("saved: %v", k.saved)
		}
		a.say <- source.Update{Groups: []source.Group{list("order", fmt.Sprintf("127.1.2.%d:80", i))}}
		time.Sleep(100 * time.Millisecond) // the pace of the changes
	}
	if n := k.count("a"); n != 1 {
		t.Errorf("the first was saved %d times", n)
	}
}
