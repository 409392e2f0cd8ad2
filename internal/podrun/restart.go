package podrun

import "time"

// backoff counts the pauses before restarts: none before the first, then first, doubling to 30 times that. A process that
// ran 60 times as long has everything forgotten (Kubernetes, Pod lifecycle: 10 s, 5 min, 10 min).
type backoff struct {
	first time.Duration
	next  time.Duration
	again bool // there was a restart
}

// after returns the pause before the restart of a process that ran so long.
func (b *backoff) after(ran time.Duration) time.Duration {
	if ran >= 60*b.first {
		b.next, b.again = 0, false
	}
	if !b.again {
		b.again, b.next = true, b.first
		return 0
	}
	d := b.next
	b.next = min(2*d, 30*b.first)
	return d
}
