package builtin

import (
	"fmt"
	"time"
)

// Duration is a time as configurations write it: 100ms, 1m, 24h.
type Duration time.Duration

// String is that of time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration does.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no time like 100ms, 1m or 24h", b)
	}
	*d = Duration(v)
	return nil
}
