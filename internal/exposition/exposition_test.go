package exposition

import (
	"strings"
	"testing"
	"time"

	"paifang/internal/exposition/expositiontest"
)

func TestPage(t *testing.T) {
	var w Writer
	w.Begin(&Family{"paifang_requests_total", "Requests.\nAll \\ of them.", Counter, []string{"route", "code"}})
	w.Count(12, "a\"b\\c\n", "2xx")
	w.Count(1<<63, "牌坊", "\xff")
	w.Begin(&Family{"paifang_up", "Whether.", Gauge, nil})
	w.Bool(true)
	w.Begin(&Family{"paifang_age_seconds", "Age.", Gauge, []string{"source"}})
	w.Seconds(1500*time.Millisecond, "m")
	w.Since(time.UnixMilli(1767225600123), "n")
	w.Since(time.Time{}, "never")
	w.Begin(&Family{"paifang_duration_seconds", "How long.", Histogram, []string{"route"}})
	w.Buckets([]float64{0.0005, 1}, []uint64{1, 2, 3}, 4.5, "r")
	want := `# HELP paifang_requests_total Requests.\nAll \\ of them.
# TYPE paifang_requests_total counter
paifang_requests_total{route="a\"b\\c\n",code="2xx"} 12
paifang_requests_total{route="牌坊",code="�"} 9223372036854775808
# HELP paifang_up Whether.
# TYPE paifang_up gauge
paifang_up 1
# HELP paifang_age_seconds Age.
# TYPE paifang_age_seconds gauge
paifang_age_seconds{source="m"} 1.5
paifang_age_seconds{source="n"} 1.767225600123e+09
# HELP paifang_duration_seconds How long.
# TYPE paifang_duration_seconds histogram
paifang_duration_seconds_bucket{route="r",le="0.0005"} 1
paifang_duration_seconds_bucket{route="r",le="1"} 3
paifang_duration_seconds_bucket{route="r",le="+Inf"} 6
paifang_duration_seconds_sum{route="r"} 4.5
paifang_duration_seconds_count{route="r"} 6
`
	if got := string(w.Bytes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p, err := expositiontest.Parse(w.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := p.Value(`paifang_requests_total{route="a\"b\\c\n",code="2xx"}`); !ok || v != 12 {
		t.Errorf("it is read as %v, %v", v, ok)
	}
	if n := p.Sum("paifang_duration_seconds", `route="r"`); n != 6 {
		t.Errorf("the histogram has %v", n)
	}
}

// What is no page is refused: the tests of the metrics lean on that.
func TestParserIsStrict(t *testing.T) {
	head := "# HELP a_total A.\n# TYPE a_total counter\n"
	histogram := "# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
	for _, c := range []struct{ text, want string }{
		{head + "a_total 1", "no end"},
		{head + "\xff 1\n", "UTF-8"},
		{"a_total 1\n", "nothing has begun"},
		{"# HELP a_total A.\na_total 1\n", "no type yet"},
		{head + head, "begins twice"},
		{"# HELP a_total \n", "no help"},
		{"# HELP A A.\n", "no name"},
		{"# HELP a A.\n# TYPE a counter\n", "_total"},
		{"# HELP a_total A.\n# TYPE a_total gauge\n", "_total"},
		{"# HELP a_ms_total A.\n", "base unit"},
		{head + "b_total 1\n", "does not belong"},
		{head + "a_total 1\na_total 2\n", "twice"},
		{head + "a_total{x=\"1\"} 1\na_total{x=\"1\"} 2\n", "twice"},
		{head + "a_total{x=\"1\"} 1\na_total{y=\"1\"} 2\n", "labels"},
		{head + "a_total{x=\"1\",x=\"2\"} 1\n", "twice"},
		{head + "a_total{x=\"\\t\"} 1\n", "escape"},
		{head + "a_total{x=\"1} 1\n", "does not end"},
		{head + "a_total{x=\"1\"y=\"1\"} 1\n", "neither"},
		{head + "a_total{X=\"1\"} 1\n", "no label"},
		{head + "a_total -1\n", "cannot be"},
		{head + "a_total NaN\n", "cannot be"},
		{head + "a_total one\n", "value"},
		{head + "\n", "neither help"},
		{histogram + "h_seconds_sum 1\nh_seconds_count 1\n", "no buckets"},
		{histogram + "h_seconds_bucket{le=\"1\"} 1\nh_seconds_sum 1\nh_seconds_count 1\n", "everything"},
		{histogram + "h_seconds_bucket{le=\"1\"} 2\nh_seconds_bucket{le=\"+Inf\"} 1\nh_seconds_sum 1\nh_seconds_count 1\n", "less"},
		{histogram + "h_seconds_bucket{le=\"+Inf\"} 1\nh_seconds_sum 1\nh_seconds_count 2\n", "count"},
		{histogram + "h_seconds_bucket{le=\"+Inf\"} 1\nh_seconds_count 1\n", "no sum"},
	} {
		if _, err := expositiontest.Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q in it", c.text, err, c.want)
		}
	}
}
