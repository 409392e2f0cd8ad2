package flood

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// rounds is how often each attack is made when two are compared.
const rounds = 3

// TestVersus: the p99 of a victim at most doubles, or is no worse than behind HAProxy under the same attack. The medians of
// some rounds count, in which the two take turns.
func TestVersus(t *testing.T) {
	if os.Getenv("PAIFANG_VERSUS") == "" {
		t.Skip("compares times: make floods, on a machine that has nothing else to do")
	}
	behind := origin(t)
	var table strings.Builder
	table.WriteString("| attack | Paifang, p99 before | under attack | HAProxy, p99 before | under attack | Paifang's memory | whoever comes at any moment | behind HAProxy |\n|---|---|---|---|---|---|---|---|\n")
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			var ours, theirs []*result
			for range rounds {
				t.Run("Paifang", func(t *testing.T) { ours = append(ours, suffer(t, &a, paifang(t, behind))) })
				t.Run("HAProxy", func(t *testing.T) {
					h := haproxy(t, behind)
					if h == nil {
						t.Skip("install haproxy to compare with it")
					}
					theirs = append(theirs, suffer(t, &a, h))
				})
			}
			our, before, peak := middle(ours)
			their, others, _ := middle(theirs)
			fmt.Fprintf(&table, "| %s | %.2f ms | %.2f ms | %.2f ms | %.2f ms | +%d MB | %.2f ms | %.2f ms |\n", a.name, before, our, others, their, peak,
				anyMoment(ours), anyMoment(theirs))
			if our > worse*before && our > their {
				t.Errorf("a victim's p99 is %.2f ms, %.2f ms before; behind HAProxy it is %.2f ms", our, before, their)
			}
		})
	}
	fmt.Print(table.String())
}

// middle returns medians: of the p99 during an attack and before it, in milliseconds, and of what memory grew by, in MB.
func middle(all []*result) (during, before float64, memory int) {
	if len(all) == 0 {
		return 0, 0, 0
	}
	var d, b []float64
	var m []int
	for _, r := range all {
		d, b, m = append(d, ms(r.during.p99())), append(b, ms(r.before.p99())), append(m, (r.peak-r.idle)>>20)
	}
	slices.Sort(d)
	slices.Sort(b)
	slices.Sort(m)
	return d[len(d)/2], b[len(b)/2], m[len(m)/2]
}

// anyMoment returns the median of what clients that do not wait for each other's answers have for a p99 during an attack, in milliseconds.
func anyMoment(all []*result) float64 {
	var each []float64
	for _, r := range all {
		each = append(each, ms(r.during.anyMoment()))
	}
	if len(each) == 0 {
		return 0
	}
	slices.Sort(each)
	return each[len(each)/2]
}
