package builtin

import (
	"fmt"
	"time"
)

// Duration is a time as configurations write it: 100ms, 1m, 24h. One that is left out is the default, so that none may be written: it would
// be the default too, and not what it says.
type Duration time.Duration

// String is that of time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(b []byte) error {
	var s Span
	if err := s.UnmarshalText(b); err != nil {
		return err
	}
	if s == 0 {
		return fmt.Errorf("%q is no time above 0: leave it out for the default", b)
	}
	*d = Duration(s)
	return nil
}

// Span is a time that may be none.
type Span time.Duration

// String is that of time.Duration.
func (s Span) String() string { return time.Duration(s).String() }

// MarshalText writes String.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what time.ParseDuration does.
func (s *Span) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no time like 100ms, 1m or 24h", b)
	}
	*s = Span(v)
	return nil
}
