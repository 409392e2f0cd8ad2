// Package coding has the content codings that bodies are compressed with (RFC 9110, 8.4.1): which of them a client takes, and the
// writers that do it.
package coding

import (
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"paifang/internal/http1"
)

// The codings, by the names that fields give them.
const (
	Gzip   = "gzip"
	Brotli = "br"
	Zstd   = "zstd"
)

// Known tells whether a body can be compressed in this way.
func Known(name string) bool { return name == Gzip || name == Brotli || name == Zstd }

// Levels of effort, the same scale for all codings.
const (
	MinLevel     = 1
	MaxLevel     = 9
	DefaultLevel = 4
)

// window is how far back repetitions are looked for: it is most of what an encoder holds, and answers are short.
const window = 256 << 10

// Encoder compresses one body after the other.
type Encoder interface {
	io.Writer
	// Reset begins a body that goes to w.
	Reset(w io.Writer)
	// Flush writes what is held, so that all that was written before can be decoded.
	Flush() error
	// Close ends the body.
	Close() error
}

// New returns an encoder. It fails for a coding that is not Known and a level that is none.
func New(name string, level int) (Encoder, error) {
	if level < MinLevel || level > MaxLevel {
		return nil, fmt.Errorf("coding: make %s encoder: level %d is none of %d to %d", name, level, MinLevel, MaxLevel)
	}
	switch name {
	case Gzip:
		e, err := gzip.NewWriterLevel(io.Discard, level)
		if err != nil {
			return nil, fmt.Errorf("coding: make gzip encoder: %w", err)
		}
		return e, nil
	case Brotli:
		return brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: level, LGWin: 18}), nil // 18: window
	case Zstd:
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)))
		if err != nil {
			return nil, fmt.Errorf("coding: make zstd encoder: %w", err)
		}
		return e, nil
	}
	return nil, fmt.Errorf("coding: make encoder: %q is none of gzip, br, zstd", name)
}

// Choose returns which of the offered codings a client takes best, the first of equals, by its Accept-Encoding fields
// (RFC 9110, 12.5.3). "" where it likes none better than the body as it is.
func Choose(fields iter.Seq[string], offered []string) string {
	best, weight := "", 0
	identity := weightOf(fields, "identity", 0)
	for _, name := range offered {
		if q := weightOf(fields, name, 0); q > weight && q >= identity {
			best, weight = name, q
		}
	}
	return best
}

// weightOf is what a list says of a coding, in thousandths; otherwise where it says nothing of it. x-gzip is another name of gzip.
func weightOf(fields iter.Seq[string], name string, otherwise int) int {
	found, any := -1, -1
	for list := range fields {
		for item := range strings.SplitSeq(list, ",") {
			coding, parameters, _ := strings.Cut(item, ";")
			coding = strings.Trim(coding, " \t")
			q, ok := quality(parameters)
			switch {
			case !ok:
			case http1.EqualFold(coding, name), name == Gzip && http1.EqualFold(coding, "x-gzip"):
				found = max(found, q)
			case coding == "*" && name != "identity":
				any = max(any, q)
			}
		}
	}
	switch {
	case found >= 0:
		return found
	case any >= 0:
		return any
	}
	return otherwise
}

// quality reads "q=0.5" in thousandths; without it is 1000. What is no weight makes the item count for nothing.
func quality(parameters string) (int, bool) {
	parameters = strings.Trim(parameters, " \t")
	if parameters == "" {
		return 1000, true
	}
	if len(parameters) < 3 || parameters[0]|0x20 != 'q' || parameters[1] != '=' {
		return 0, false
	}
	digits := parameters[2:]
	if len(digits) > 5 || len(digits) > 1 && digits[1] != '.' || digits[0] != '0' && digits[0] != '1' {
		return 0, false
	}
	q := int(digits[0]-'0') * 1000
	for i, unit := 2, 100; i < len(digits); i, unit = i+1, unit/10 {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		q += int(digits[i]-'0') * unit
	}
	return q, q <= 1000
}
