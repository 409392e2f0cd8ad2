// Package exposition writes metrics in the text format of Prometheus, version 0.0.4. It knows the format and no metric.
package exposition

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of what a Writer writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Type is what kind of numbers a family has.
type Type string

// The types.
const (
	Counter   Type = "counter"   // only grows, until its process ends or what it counts for goes
	Gauge     Type = "gauge"     // goes up and down
	Histogram Type = "histogram" // counts by bucket, their sum and their number
)

// Family is a metric: all series of one name. Its name ends in its unit, and in _total if it is a counter.
type Family struct {
	Name, Help string
	Type       Type
	Labels     []string // names; the values come with each series, in this order
}

// Writer collects families. The zero value is ready to use.
type Writer struct {
	buf    []byte
	family *Family
}

// Bytes is what was written.
func (w *Writer) Bytes() []byte { return w.buf }

// Begin begins a family: what is added next belongs to it. All of a family comes together, so each is begun once.
func (w *Writer) Begin(f *Family) {
	w.family = f
	w.buf = append(append(append(w.buf, "# HELP "...), f.Name...), ' ')
	w.escape(f.Help, false)
	w.buf = append(append(append(w.buf, "\n# TYPE "...), f.Name...), ' ')
	w.buf = append(append(w.buf, f.Type...), '\n')
}

// Count adds a series of whole numbers.
func (w *Writer) Count(n uint64, labels ...string) {
	w.series("", labels, "")
	w.buf = append(strconv.AppendUint(append(w.buf, ' '), n, 10), '\n')
}

// Value adds a series.
func (w *Writer) Value(v float64, labels ...string) {
	w.series("", labels, "")
	w.buf = append(append(w.buf, ' '), number(v)...)
	w.buf = append(w.buf, '\n')
}

// Bool adds a series that is 1 or 0.
func (w *Writer) Bool(b bool, labels ...string) {
	var n uint64
	if b {
		n = 1
	}
	w.Count(n, labels...)
}

// Seconds adds a series in seconds.
func (w *Writer) Seconds(d time.Duration, labels ...string) { w.Value(d.Seconds(), labels...) }

// Since adds a series that is a moment, in seconds since 1970; a moment that never was is left out.
func (w *Writer) Since(t time.Time, labels ...string) {
	if !t.IsZero() {
		w.Value(float64(t.UnixMilli())/1000, labels...)
	}
}

// Buckets adds a series of a histogram: counts of each bucket alone, with the bounds of all but the last one.
func (w *Writer) Buckets(bounds []float64, counts []uint64, sum float64, labels ...string) {
	var n uint64
	for i, c := range counts {
		n += c
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		w.series("_bucket", labels, number(bound))
		w.buf = append(strconv.AppendUint(append(w.buf, ' '), n, 10), '\n')
	}
	w.series("_sum", labels, "")
	w.buf = append(append(append(w.buf, ' '), number(sum)...), '\n')
	w.series("_count", labels, "")
	w.buf = append(strconv.AppendUint(append(w.buf, ' '), n, 10), '\n')
}

// number is a number as the format has it: +Inf, 0.005, 1e+06.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func (w *Writer) series(suffix string, labels []string, le string) {
	f := w.family
	w.buf = append(append(w.buf, f.Name...), suffix...)
	if len(f.Labels) == 0 && le == "" {
		return
	}
	sep := byte('{')
	for i, name := range f.Labels {
		value := ""
		if i < len(labels) {
			value = labels[i]
		}
		w.label(sep, name, value)
		sep = ','
	}
	if le != "" {
		w.label(sep, "le", le)
	}
	w.buf = append(w.buf, '}')
}

func (w *Writer) label(sep byte, name, value string) {
	w.buf = append(append(append(w.buf, sep), name...), '=', '"')
	w.escape(value, true)
	w.buf = append(w.buf, '"')
}

// escape appends text in which line ends and backslashes, and in labels quotes, are escaped. What is not UTF-8 is
// replaced: readers refuse it.
func (w *Writer) escape(s string, label bool) {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '\\' || c == '\n' || c == '"' || c >= 0x80 {
			w.slowly(s, label)
			return
		}
	}
	w.buf = append(w.buf, s...)
}

func (w *Writer) slowly(s string, label bool) {
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\\':
			w.buf = append(w.buf, `\\`...)
		case r == '\n':
			w.buf = append(w.buf, `\n`...)
		case r == '"' && label:
			w.buf = append(w.buf, `\"`...)
		default:
			w.buf = append(w.buf, string(r)...)
		}
	}
}
