package http1

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestFaultsAreTold: the page about what is refused has a row for each fault of a request, with its status.
func TestFaultsAreTold(t *testing.T) {
	page, err := os.ReadFile("../../docs/strict.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, " | "); len(cells) == 4 && strings.HasPrefix(cells[0], "| `") {
			told[strings.Trim(cells[0], "| `")] = cells[1]
		}
	}
	for f := Fault(1); f.Code() != "none"; f++ {
		if f == BadStatusLine || f == Truncated { // of answers; of bodies whose sender left
			continue
		}
		if got := told[f.Code()]; got != strconv.Itoa(f.Status()) {
			t.Errorf("docs/strict.md says %q of %s, which is %d", got, f.Code(), f.Status())
		}
	}
}
