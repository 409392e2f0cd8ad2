package explain

import (
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// Differs marks a pair of hops that are not the same.
	Differs = "≠"
	// narrowest is the width in columns below which two results do not stand side by side.
	narrowest = 72
)

// Pair is two hops at the same station of two requests. One may be missing.
type Pair struct {
	Left, Right *Hop
	Differs     bool
}

// station is the place of a hop on a request's way; hops of one station stand side by side.
func station(hop string) int {
	switch hop {
	case "client":
		return 0
	case "dns":
		return 1
	case "slb":
		return 2
	case "node":
		return 3
	case "connect", "ingress":
		return 4
	case "route":
		return 5
	case "upstream", "registry":
		return 6
	case "endpoint":
		return 7
	case "pod":
		return 8
	default:
		return lastStation
	}
}

const lastStation = 9 // the answer

// Compare pairs the hops of two requests by station.
func Compare(a, b Result) []Pair {
	var out []Pair
	i, j := 0, 0
	for i < len(a.Hops) || j < len(b.Hops) {
		var p Pair
		left, right := lastStation+1, lastStation+1
		if i < len(a.Hops) {
			left = station(a.Hops[i].Name)
		}
		if j < len(b.Hops) {
			right = station(b.Hops[j].Name)
		}
		if left <= right {
			p.Left = &a.Hops[i]
			i++
		}
		if right <= left {
			p.Right = &b.Hops[j]
			j++
		}
		p.Differs = p.Left == nil || p.Right == nil || p.Left.Name != p.Right.Name || p.Left.Text != p.Right.Text
		out = append(out, p)
	}
	return out
}

// FprintPair writes two results side by side in so many columns of text, with the differing hops marked between them;
// where that is too narrow, one below the other, with the marks in front.
func FprintPair(w io.Writer, a, b Result, columns int) error {
	var out strings.Builder
	if columns < narrowest {
		below(&out, a, b)
	} else {
		beside(&out, a, b, (columns-3)/2)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func below(out *strings.Builder, a, b Result) {
	pairs := Compare(a, b)
	for side, title := range []string{a.Title, b.Title} {
		if side == 1 {
			out.WriteString("\n")
		}
		out.WriteString("  " + title + "\n")
		for _, p := range pairs {
			h := p.Left
			if side == 1 {
				h = p.Right
			}
			if h != nil {
				out.WriteString(mark(p) + " " + h.String() + "\n")
			}
		}
	}
}

func mark(p Pair) string {
	if p.Differs {
		return Differs
	}
	return " "
}

func beside(out *strings.Builder, a, b Result, width int) {
	row(out, wrap(a.Title, width, 0), wrap(b.Title, width, 0), " ", width)
	const indent = 13 // where the text of a hop begins
	for _, p := range Compare(a, b) {
		var left, right []string
		if p.Left != nil {
			left = wrap(p.Left.String(), width, indent)
		}
		if p.Right != nil {
			right = wrap(p.Right.String(), width, indent)
		}
		row(out, left, right, mark(p), width)
	}
}

// row writes the lines of two cells beside each other, the mark on the first.
func row(out *strings.Builder, left, right []string, mark string, width int) {
	for i := range max(len(left), len(right)) {
		l, r := "", ""
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		line := l + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(l))) + " " + mark + " " + r
		out.WriteString(strings.TrimRight(line, " ") + "\n")
		mark = " "
	}
}

// wrap breaks a text at spaces into lines of at most width characters; a longer word is broken where it must. Further
// lines are indented.
func wrap(text string, width, indent int) []string {
	var out []string
	runes := []rune(text)
	room, from := width, indent
	for len(runes) > room {
		cut := room
		for i := room; i > from; i-- {
			if runes[i] == ' ' {
				cut = i
				break
			}
		}
		out = append(out, margin(out, indent)+strings.TrimRight(string(runes[:cut]), " "))
		runes = []rune(strings.TrimLeft(string(runes[cut:]), " "))
		room, from = width-indent, 0
	}
	return append(out, margin(out, indent)+string(runes))
}

func margin(before []string, indent int) string {
	if len(before) == 0 {
		return ""
	}
	return strings.Repeat(" ", indent)
}
