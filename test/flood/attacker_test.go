package flood

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// attack is one way to cost much with little.
type attack struct {
	name  string
	conns int // at one time
	tls   bool
	// narrow connections have the system take little that is not read.
	narrow bool
	// once attacks on one connection until that is over, or until it returns: then there is a new one.
	once func(*enemy) error
}

// enemy is one connection of an attacker.
type enemy struct {
	net.Conn
	n      int // of the connection
	pace   func()
	opened time.Time
}

// share is how much of a core an attacker may use.
const share = 0.5

// governor holds a process to its share of a core: whoever is about to do something waits here until that is paid for.
type governor struct {
	mu      sync.Mutex
	began   time.Time
	looked  time.Time
	stalled time.Duration
}

func (g *governor) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Sub(g.looked) < 300*time.Microsecond {
		return
	}
	g.looked = now
	if ahead := time.Duration(float64(used())/share) - now.Sub(g.began); ahead > 0 {
		g.stalled += ahead
		time.Sleep(ahead)
	}
}

// used is the time that this process had of processors, in the kernel too.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// runAttacker attacks an address for some time and prints what it took: made connections, and the share of a core.
func runAttacker(name, to, lasting string) int {
	d, err := time.ParseDuration(lasting)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, a := range attacks() {
		if a.name == name {
			fmt.Println(a.run(to, d))
			return 0
		}
	}
	fmt.Println("no such attack:", name)
	return 1
}

func (a *attack) run(to string, lasting time.Duration) string {
	g := &governor{began: time.Now().Add(-used())}
	end := time.Now().Add(lasting)
	var wg sync.WaitGroup
	var mu sync.Mutex
	made, refused := 0, 0
	open := map[net.Conn]bool{}
	over := false
	for i := range a.conns {
		wg.Go(func() {
			for time.Now().Before(end) {
				g.wait()
				c, err := net.DialTimeout("tcp", to, time.Second)
				if err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
					time.Sleep(10 * time.Millisecond)
					continue
				}
				mu.Lock()
				made++
				open[c] = true
				late := over
				mu.Unlock()
				if a.narrow {
					_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
				}
				if !late {
					_ = a.once(&enemy{Conn: c, n: i, pace: g.wait, opened: time.Now()}) // the other side ends it: what it is for
				}
				mu.Lock()
				delete(open, c)
				mu.Unlock()
				_ = c.Close()
			}
		})
	}
	time.Sleep(time.Until(end))
	took := time.Since(g.began)
	cpu := used()
	mu.Lock()
	over = true
	for c := range open {
		_ = c.Close()
	}
	mu.Unlock()
	wg.Wait()
	return fmt.Sprintf("%d %d %.2f", made, refused, cpu.Seconds()/took.Seconds())
}

// limit raises the number of descriptors that this process may have, and makes room for them: each time that the system has to do so later
// costs this process 10 ms, which victims would wait for the origin.
func limit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if fd, _, errno := syscall.Syscall(syscall.SYS_FCNTL, 0, syscall.F_DUPFD_CLOEXEC, min(uintptr(l.Cur)-1, 1<<14-1)); errno == 0 {
		_ = syscall.Close(int(fd))
	}
}
