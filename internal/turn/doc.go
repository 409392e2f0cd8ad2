// Package turn asks the operating system for short turns on a processor. What a proxy does for a request takes tens of
// microseconds; what it shares the machine with may take milliseconds at a time. Linux, from 6.12 on, gives the processor to
// whoever asks for little of it sooner, and takes it away sooner in return: the share stays what it was
// (sched_setattr(2), sched_runtime of SCHED_OTHER, which its scheduler calls a custom slice).
//
// Elsewhere, and on older kernels, nothing changes.
package turn

import "time"

// Short is the shortest turn that Linux grants.
const Short = 100 * time.Microsecond
