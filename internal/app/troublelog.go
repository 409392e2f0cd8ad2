package app

import (
	"log/slog"
	"slices"
	"time"

	"paifang/internal/model"
)

// Of the log: how many lines about objects it gets at once, and how many more with each second. The rest is counted: a file with a
// thousand mistakes, or a service that comes and goes, is no reason to fill a disk.
const (
	troubleAtOnce = 20
	troubleEach   = 1.0
)

// troubleLog writes to the process's log what is newly wrong with objects, for those who look there first. One goroutine uses it.
type troubleLog struct {
	log   *slog.Logger
	spare float64
	at    time.Time // when spare was right; zero = nothing was written yet
	left  int       // out since the last line
}

// tell writes a line for each, errors first, as far as there may be, and one about the rest.
func (l *troubleLog) tell(now time.Time, said []model.Diagnostic) {
	if l.at.IsZero() {
		l.spare = troubleAtOnce
	} else {
		l.spare = min(l.spare+now.Sub(l.at).Seconds()*troubleEach, troubleAtOnce)
	}
	l.at = now
	said = slices.Clone(said)
	slices.SortStableFunc(said, func(a, b model.Diagnostic) int { return int(b.Severity) - int(a.Severity) })
	written := false
	for i, d := range said {
		if l.spare < 1 {
			l.left += len(said) - i
			break
		}
		l.spare--
		written = true
		about := []any{"code", string(d.Code), "object", d.Origin.Object()}
		if d.Field != "" {
			about = append(about, "field", d.Field)
		}
		if at := d.Origin.At(); at != "" {
			about = append(about, "at", at)
		}
		if d.Severity == model.Error {
			l.log.Error(d.Message, about...)
		} else {
			l.log.Warn(d.Message, about...)
		}
	}
	if l.left > 0 && written {
		l.log.Warn("more is wrong than was written", "lines", l.left, "see", "paifang get diagnostics")
		l.left = 0
	}
}
