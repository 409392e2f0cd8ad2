package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"paifang/internal/explain"
)

// writeText writes the page as plain text, in English: what was asked, both roads, and the tables of what people look for
// first. Control characters never reach a terminal.
func (p *page) writeText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "paifang %s: %s, generation %d, up for %s\n", p.Process(), p.Ready.String(), p.Generation(), p.Up())
	if p.Missing != "" {
		fmt.Fprintln(&b, p.Missing)
	}
	for _, a := range p.Asked {
		switch {
		case a.Error != "":
			fmt.Fprintf(&b, "\n%s: %s\n", a.URL, a.Error)
		case a.Done:
			b.WriteByte('\n')
			if err := explain.Fprint(&b, a.Result); err != nil {
				return err
			}
		}
	}
	for _, r := range p.Roads {
		fmt.Fprintf(&b, "\nROAD %d: %s\n", r.N, r.Way)
		r.writeText(&b)
	}
	for _, t := range p.Tables {
		if t.ID == "applications" || t.ID == "listeners" || t.ID == "records" {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", strings.ToUpper(t.Title))
		t.writeText(&b)
	}
	lines := strings.Split(clean(b.String()), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n"))
	return err
}

// longestWhy keeps the columns of a road together.
const longestWhy = 40

func (r *road) writeText(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, h := range r.Hops {
		fmt.Fprintf(w, "%2d\t%s\t%s\t\t%s\n", h.N, strings.ToLower(h.Name), "", h.Count.String())
		for _, i := range h.Items {
			short := i.State // the tables below tell it all
			if why := []rune(short.Why); len(why) > longestWhy {
				short.Why = string(why[:longestWhy]) + "…"
			}
			fmt.Fprintf(w, "\t\t%s\t%s\t%s\n", oneCell(i.Name+"  "+i.Note), oneCell(short.String()), i.Count.String())
		}
		if h.More > 0 {
			fmt.Fprintf(w, "\t\t%d more\t\t\n", h.More)
		}
		if len(h.Items) == 0 {
			fmt.Fprintf(w, "\t\tnothing here\t\t\n")
		}
	}
	_ = w.Flush() // a strings.Builder takes everything
}

func (t *table) writeText(b *strings.Builder) {
	if len(t.Rows) == 0 {
		b.WriteString(t.Empty + "\n")
		return
	}
	w := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	for i, c := range t.Head {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, strings.ToUpper(c.Name))
	}
	fmt.Fprintln(w)
	for _, row := range t.Rows {
		for i, c := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, oneCell(c.String()))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a strings.Builder takes everything
	if t.More > 0 {
		fmt.Fprintf(b, "%d more: paifang get %s\n", t.More, t.Kind)
	}
}

// String is a cell as text.
func (c cell) String() string {
	switch {
	case c.Show != "":
		return c.Count.Number(c.Show)
	case c.State != state{}:
		return c.State.String()
	default:
		return c.Text
	}
}

// Number is one of the counts by its name.
func (c counts) Number(name string) string {
	switch name {
	case "errors":
		return c.Errors
	case "refused":
		return c.Refused
	case "average":
		return c.Average
	default:
		return c.Count
	}
}

// String is "12 requests, 1 errors, 0.81 ms", or nothing where nothing is counted.
func (c counts) String() string {
	if c.Of == "" {
		return ""
	}
	out := plural(c.Count, c.Unit) + ", " + plural(c.Errors, "errors")
	if strings.HasSuffix(c.Average, "ms") {
		out += ", " + c.Average
	}
	return out
}

// plural is a number with what it counts, which is one thing less its s.
func plural(n, things string) string {
	if n == "1" {
		things = strings.TrimSuffix(things, "s")
	}
	return n + " " + things
}

// String is "2/2 ready", "down (connection refused)".
func (s state) String() string {
	out := strings.TrimSpace(s.Amount + " " + s.Word)
	if s.Why != "" {
		out += " (" + s.Why + ")"
	}
	return out
}

// oneCell keeps a text from ending its cell.
func oneCell(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\v' || r == '\f' || r == '\r' {
			return ' '
		}
		return r
	}, s)
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
