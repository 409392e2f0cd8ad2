package snapshot

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/model"
)

// maxExpression bounds the text of a regular expression in bytes: what it costs per byte of a path grows with it.
const maxExpression = 1000

// maxOfValue bounds one that is for a value: those of Java become longer than they were written.
const maxOfValue = 8 * maxExpression

// expression is a regular expression that paths begin with a match of. It is RE2 as Go has it: the time that a match takes
// is proportional to the path, whatever a client sends. Look-aheads behind fixed text are expressions of their own; what else RE2
// does not have, look-around and back-references, is refused.
type expression struct {
	re    *regexp.Regexp
	ahead []ahead
	names []string // of the groups; "1" for the first one that has no name
	head  string   // whole segments that every match begins with
	plain string   // text that every match begins with; in lower case where any case matches
	fold  bool     // any case matches
}

// ahead is what must, or must not, match too.
type ahead struct {
	re  *regexp.Regexp
	not bool
}

// parseExpression puts "^" before the text and nothing around it, as ingress-nginx does.
func parseExpression(text string, ignoreCase bool) (*expression, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("regular expression of %d bytes: at most %d", len(text), maxExpression)
	}
	parts := model.ParseExpression(text)
	re, err := anchored(parts.Text, ignoreCase)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", text, err)
	}
	if re.NumSubexp() > MaxCaptures {
		return nil, fmt.Errorf("%d groups: at most %d", re.NumSubexp(), MaxCaptures)
	}
	x := &expression{re: re}
	for i, name := range re.SubexpNames()[1:] {
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		x.names = append(x.names, name)
	}
	for _, a := range parts.Ahead {
		re, err := anchored(a.Text, ignoreCase)
		if err != nil {
			return nil, fmt.Errorf("regular expression %q: %w", text, err)
		}
		x.ahead = append(x.ahead, ahead{re, a.Not})
	}
	x.start()
	return x, nil
}

// anchored is an expression that begins where the path does.
func anchored(text string, ignoreCase bool) (*regexp.Regexp, error) {
	flags := ""
	if ignoreCase {
		flags = "(?i)"
	}
	re, err := regexp.Compile(flags + "^" + text)
	if err != nil || isEncoded(text) {
		return re, err
	}
	tree, err := syntax.Parse(flags+"^"+text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	encodeLiterals(tree)
	return regexp.Compile(tree.String())
}

// isEncoded tells whether all literals of an expression are such that a path has them.
func isEncoded(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 || strings.ContainsRune(" \"<>`", r) })
}

// maxAlternatives bounds the runes of a class that are looked for by themselves.
const maxAlternatives = 64

// encodeLiterals puts what paths have in place of literals: a blank and a letter that is not ASCII are percent-encoded there. In a class of
// few such runes each of them is an alternative; in others, as [^/], they are no runes of a path.
func encodeLiterals(tree *syntax.Regexp) {
	for _, sub := range tree.Sub {
		encodeLiterals(sub)
	}
	switch tree.Op {
	case syntax.OpLiteral:
		tree.Rune = encodedRunes(tree.Rune)
	case syntax.OpCharClass:
		var path, other []rune
		for i := 0; i+1 < len(tree.Rune); i += 2 {
			for r := tree.Rune[i]; r <= tree.Rune[i+1]; r++ {
				switch {
				case isEncoded(string(r)):
					path = append(path, r, r)
				case len(other) == maxAlternatives:
					return
				default:
					other = append(other, r)
				}
			}
		}
		if len(other) == 0 {
			return
		}
		class := *tree
		class.Rune = path
		*tree = syntax.Regexp{Op: syntax.OpAlternate, Flags: class.Flags, Sub: []*syntax.Regexp{&class}}
		for _, r := range other {
			tree.Sub = append(tree.Sub, &syntax.Regexp{Op: syntax.OpLiteral, Flags: class.Flags, Rune: encodedRunes([]rune{r})})
		}
	}
}

func encodedRunes(literal []rune) []rune {
	var out []rune
	for _, r := range literal {
		if isEncoded(string(r)) {
			out = append(out, r)
		} else {
			out = append(out, []rune(http1.EncodePath(string(r)))...)
		}
	}
	return out
}

// coverExpression is for the place of an expression that cannot be used: it matches whatever that could, and has no groups.
func coverExpression(text string, ignoreCase bool) (*expression, error) {
	re, err := anchored(model.CoverExpression(text), ignoreCase)
	if err != nil {
		return nil, err
	}
	x := &expression{re: re}
	x.start()
	return x, nil
}

// start finds what every match begins with.
func (x *expression) start() {
	x.plain, x.fold = literalStart(x.re.String())
	if !x.fold {
		x.head = x.plain[:max(strings.LastIndexByte(x.plain, '/'), 0)]
	}
}

// literalStart returns the text that every match of an anchored expression begins with, and whether its case does not
// count; the text is in lower case then, and ends before the first rune that is not ASCII, for the sake of the few that
// have another length in the other case.
func literalStart(text string) (plain string, fold bool) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return "", false
	}
	tree = tree.Simplify()
	if tree.Op != syntax.OpConcat || len(tree.Sub) < 2 || tree.Sub[0].Op != syntax.OpBeginText || tree.Sub[1].Op != syntax.OpLiteral {
		return "", false
	}
	lit := tree.Sub[1]
	if lit.Flags&syntax.FoldCase == 0 {
		return string(lit.Rune), false
	}
	for _, r := range lit.Rune {
		// K and S have further forms in Unicode.
		if r >= 0x80 || strings.ContainsRune("kKsS", r) {
			break
		}
		plain += strings.ToLower(string(r))
	}
	return plain, true
}

// matches tells whether a normalised path begins with a match. It does not allocate.
func (x *expression) matches(path string) bool {
	if !x.begins(path) || !x.re.MatchString(path) {
		return false
	}
	for i := range x.ahead {
		if x.ahead[i].re.MatchString(path) == x.ahead[i].not {
			return false
		}
	}
	return true
}

// begins is what can be told without the expression itself, which costs a hundred times as much.
func (x *expression) begins(path string) bool {
	if len(path) < len(x.plain) {
		return false
	}
	if !x.fold {
		return path[:len(x.plain)] == x.plain
	}
	for i := range len(x.plain) {
		c := path[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != x.plain[i] {
			return false
		}
	}
	return true
}

// captures gives the groups of the match. A group that has no part in it is empty. It allocates where there are groups.
func (x *expression) captures(path string, dst *[MaxCaptures]Capture) int {
	if len(x.names) == 0 {
		return 0
	}
	at := x.re.FindStringSubmatchIndex(path)
	if at == nil {
		return 0
	}
	for i, name := range x.names {
		dst[i] = Capture{Name: name}
		if from := at[2*i+2]; from >= 0 {
			dst[i].Value = path[from:at[2*i+3]]
		}
	}
	return len(x.names)
}
