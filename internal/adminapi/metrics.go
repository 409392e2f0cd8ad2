package adminapi

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Metric is one time series in the text format of Prometheus.
type Metric struct {
	Name   string // "paifang_requests_total"
	Help   string // of the first metric of a name
	Type   string // counter or gauge
	Labels []Label
	Value  float64
}

// Label is a dimension of a metric.
type Label struct{ Name, Value string }

// Meter gives the metrics of a process, those of one name together.
type Meter interface {
	Metrics() []Metric
}

// writeMetrics writes metrics in the text format, version 0.0.4.
func writeMetrics(w io.Writer, all []Metric) error {
	out := bufio.NewWriter(w)
	last := ""
	for _, m := range all {
		if m.Name != last {
			help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(m.Help)
			fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m.Name, help, m.Name, m.Type)
			last = m.Name
		}
		out.WriteString(m.Name)
		value := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
		for i, l := range m.Labels {
			sep := ","
			if i == 0 {
				sep = "{"
			}
			fmt.Fprintf(out, `%s%s="%s"`, sep, l.Name, value.Replace(l.Value))
		}
		if len(m.Labels) > 0 {
			out.WriteByte('}')
		}
		out.WriteString(" " + strconv.FormatFloat(m.Value, 'g', -1, 64) + "\n")
	}
	return out.Flush()
}
