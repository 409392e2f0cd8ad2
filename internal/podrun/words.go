package podrun

import (
	"errors"
	"fmt"
	"strings"
)

// splitWords splits a command line into words as a POSIX shell does (Shell Command Language, section 2.2): single and
// double quotes, and backslash. Nothing is expanded and no shell is started, so an operator outside quotes is an error.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	open := false // a word has begun, maybe an empty one in quotes
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\n', '\r':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("a single quote is not closed")
			}
			word.WriteString(line[i+1 : i+1+end])
			i += end + 1
			open = true
		case '"':
			n, err := quoted(line[i+1:], &word)
			if err != nil {
				return nil, err
			}
			i += n
			open = true
		case '\\':
			i++
			if i == len(line) {
				return nil, errors.New("ends in a backslash")
			}
			if line[i] != '\n' {
				word.WriteByte(line[i])
				open = true
			}
		case '|', '&', ';', '<', '>', '(', ')', '`':
			return nil, fmt.Errorf("%q is for a shell, and none is started: write sh -c '…'", c)
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if open {
		words = append(words, word.String())
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("names no program")
	}
	return words, nil
}

// quoted reads up to the closing double quote and returns how many bytes that were, the quote included.
func quoted(s string, word *strings.Builder) (int, error) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, nil
		case '\\':
			if i+1 < len(s) && strings.IndexByte("\\\"$`\n", s[i+1]) >= 0 {
				i++
				if s[i] == '\n' {
					continue
				}
			}
		}
		word.WriteByte(s[i])
	}
	return 0, errors.New("a double quote is not closed")
}
