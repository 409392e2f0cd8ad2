//go:build !linux

package park

import (
	"errors"
	"fmt"
	"syscall"
)

// Lot is not to be had on this system.
type Lot struct{}

// New returns errors.ErrUnsupported.
func New() (*Lot, error) { return nil, fmt.Errorf("park: make lot: %w", errors.ErrUnsupported) }

// Park returns errors.ErrUnsupported.
func (l *Lot) Park(syscall.RawConn, Waker) (Ticket, error) { return 0, errors.ErrUnsupported }

// Recall finds nobody.
func (l *Lot) Recall(Ticket) bool { return false }

// Parked is 0.
func (l *Lot) Parked() int { return 0 }

// Close has nothing to end.
func (l *Lot) Close() {}
