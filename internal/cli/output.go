package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// The forms of output.
const (
	formTable = "table"
	formWide  = "wide"
	formJSON  = "json"
	formYAML  = "yaml"
	formZone  = "zone"
	formNginx = "nginx"
)

// checkForm tells whether a form is among those that a command has.
func checkForm(form string, has ...string) error {
	for _, h := range has {
		if form == h {
			return nil
		}
	}
	return usage("-o %s: there are %s", form, strings.Join(has, ", "))
}

// printJSON prints a JSON text as JSON or YAML.
func printJSON(w io.Writer, text []byte, form string) error {
	if form == formYAML {
		out, err := yaml.JSONToYAML(text)
		if err != nil {
			return fmt.Errorf("cli: %w", err)
		}
		_, err = w.Write(out)
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", text)
	return err
}

// tone is what a cell's colour says.
type tone string

const (
	plain tone = ""
	good  tone = "32" // green
	warn  tone = "33" // yellow
	bad   tone = "31" // red
)

// cell is a text in a table.
type cell struct {
	text string
	tone tone
}

func c(text string) cell { return cell{text: text} }

func toned(text string, t tone) cell { return cell{text, t} }

// table is rows that line up. A column without any text is left out, unless it is among the first two.
type table struct {
	head []string
	rows [][]cell
	foot string
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// print writes the table. Control characters never reach the terminal.
func (t *table) print(w io.Writer, color bool) error {
	widths := make([]int, len(t.head))
	filled := make([]bool, len(t.head))
	for i, h := range t.head {
		widths[i], filled[i] = utf8.RuneCountInString(h), i < 2
	}
	for _, r := range t.rows {
		for i := range r {
			r[i].text = clean(r[i].text)
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i].text))
			filled[i] = filled[i] || r[i].text != ""
		}
	}
	var out strings.Builder
	line := func(text func(int) string, paint func(int) tone) {
		var b strings.Builder
		for i := range t.head {
			if !filled[i] {
				continue
			}
			s := text(i)
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(s)+3)
			if p := paint(i); color && p != plain {
				s = "\x1b[" + string(p) + "m" + s + "\x1b[0m"
			}
			b.WriteString(s + pad)
		}
		out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
	line(func(i int) string { return t.head[i] }, func(int) tone { return plain })
	for _, r := range t.rows {
		line(func(i int) string { return r[i].text }, func(i int) tone { return r[i].tone })
	}
	if t.foot != "" {
		out.WriteString(t.foot + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// several joins at most n texts and counts the rest.
func several(all []string, n int) string {
	if len(all) <= n {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s, %d more", strings.Join(all[:n], ", "), len(all)-n)
}

// plural is "1 error", "2 errors".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
