package document

import (
	"bytes"
	"strings"
)

// cutBlock takes the longest list of block style out: lines with a dash at one depth, and what stands deeper behind each.
func cutBlock(text []byte) (cut, bool) {
	var best, open run
	line := 0
	end := func() {
		if len(open.items) > len(best.items) {
			best = open
		}
		open = run{}
	}
	for at := 0; at < len(text); line++ {
		next := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		depth, dash := shape(text[at:next])
		switch {
		case depth < 0: // nothing, or a comment
		case len(open.items) > 0 && depth > open.depth:
		case dash && len(open.items) > 0 && depth == open.depth:
			open.items = append(open.items, blockItem{at, line})
		default:
			end()
			if dash {
				open = run{depth: depth, items: append(open.items, blockItem{at, line})}
			}
		}
		if len(open.items) > 0 {
			open.end = next
		}
		at = next
	}
	end()
	if len(best.items) < longList {
		return cut{}, false
	}
	first := best.items[0]
	out := cut{line: first.line, items: make([]listItem, 0, len(best.items))}
	out.rest = without(text, first.at, best.end, strings.Repeat(" ", best.depth)+"- '"+marker+"'")
	for i, it := range best.items {
		to := best.end
		if i+1 < len(best.items) {
			to = best.items[i+1].at
		}
		out.items = append(out.items, listItem{text: text[it.at:to], line: it.line, dashed: true})
	}
	return out, true
}

// run is a list in the making.
type run struct {
	depth int
	items []blockItem
	end   int // of its text
}

type blockItem struct{ at, line int }

// shape is how many blanks a line begins with, and whether a dash of a list is behind them. A line that says nothing has no depth.
func shape(line []byte) (depth int, dash bool) {
	for depth < len(line) && line[depth] == ' ' {
		depth++
	}
	switch rest := bytes.TrimRight(line[depth:], " \t\r\n"); {
	case len(rest) == 0 || rest[0] == '#':
		return -1, false
	default:
		return depth, rest[0] == '-' && (len(rest) == 1 || rest[1] == ' ' || rest[1] == '\t')
	}
}

// cutJSON takes the longest list out of JSON that is valid.
func cutJSON(text []byte) (cut, bool) {
	type array struct {
		from  int // behind its bracket
		line  int
		items []listItem
		start int // of the item under way
		at    int // line of that
	}
	var best array
	var bestEnd int
	var stack []array // an object has no from
	line := 0
	finish := func(end int) {
		top := &stack[len(stack)-1]
		one := text[top.start:end]
		if trimmed := bytes.TrimLeft(one, " \t\r\n"); len(trimmed) > 0 {
			skipped := bytes.Count(one[:len(one)-len(trimmed)], []byte("\n"))
			top.items = append(top.items, listItem{text: bytes.TrimRight(trimmed, " \t\r\n"), line: top.at + skipped})
		}
		top.start, top.at = end+1, line
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\n':
			line++
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{':
			stack = append(stack, array{})
		case '[':
			stack = append(stack, array{from: i + 1, line: line, start: i + 1, at: line})
		case ',':
			if len(stack) > 0 && stack[len(stack)-1].from > 0 {
				finish(i)
			}
		case '}':
			stack = stack[:len(stack)-1]
		case ']':
			finish(i)
			if done := stack[len(stack)-1]; len(done.items) > len(best.items) {
				best, bestEnd = done, i
			}
			stack = stack[:len(stack)-1]
		}
	}
	if len(best.items) < longList {
		return cut{}, false
	}
	return cut{rest: without(text, best.from, bestEnd, `"`+marker+`"`), line: best.line, items: best.items}, true
}
