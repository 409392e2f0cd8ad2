package document

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Document is one YAML document of a file, or a part of one (see At).
type Document struct {
	File string // path as the user gave it
	Root *Node  // the value; never nil in what Split returns

	at string // path of Root in the whole document
}

// Split reads the documents of a YAML file, which "---" at the start of a line divides. A document that is not YAML
// gives a Problem and does not stop the others; empty documents are left out.
func Split(file string, data []byte) ([]Document, []Problem) {
	var docs []Document
	var problems []Problem
	for _, p := range Parts(data) {
		d, problem := p.Read(file)
		switch {
		case problem != nil:
			problems = append(problems, *problem)
		case d.Root != nil:
			docs = append(docs, d)
		}
	}
	return docs, problems
}

// Part is the text of one document of a file.
type Part struct {
	Text []byte
	Line int // of its first line in the file
}

// Read reads the part of a file. A part that is not YAML gives a Problem, an empty one a Document without Root.
func (p Part) Read(file string) (Document, *Problem) {
	root, err := read(p.Text, p.Line-1)
	var problem Problem
	if errors.As(err, &problem) {
		problem.File = file
		return Document{}, &problem
	}
	return Document{File: file, Root: root}, nil
}

// Parts divides a file by lines, before any YAML is parsed, so that one broken document cannot swallow the next.
func Parts(data []byte) []Part {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var out []Part
	start, startLine, line := 0, 1, 1
	for i := 0; i < len(data); line++ {
		end := len(data)
		if j := bytes.IndexByte(data[i:], '\n'); j >= 0 {
			end = i + j + 1
		}
		if isDivider(data[i:end]) {
			out = append(out, Part{data[start:i], startLine})
			start, startLine = i, line
		}
		i = end
	}
	return append(out, Part{data[start:], startLine})
}

func isDivider(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// read parses one document. It returns nil, nil for an empty one.
func read(text []byte, offset int) (*Node, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	if bad := notUTF8(text); bad >= 0 {
		return nil, Problem{Line: offset + 1 + bytes.Count(text[:bad], []byte("\n")), Message: "is not YAML: a byte is not UTF-8"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var y yaml.Node
	if err := dec.Decode(&y); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntax(err, text, offset)
	}
	if y.Kind != yaml.DocumentNode || len(y.Content) != 1 {
		return nil, nil
	}
	if root := y.Content[0]; root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		return nil, Problem{Line: more.Line + offset, Message: afterEnd}
	} else if !errors.Is(err, io.EOF) {
		p := syntax(err, text, offset)
		p.Message = afterEnd
		return nil, p
	}
	b := builder{offset: offset, open: map[*yaml.Node]bool{}, done: map[*yaml.Node]*Node{}}
	root, err := b.build(y.Content[0], 0)
	if err != nil {
		return nil, err
	}
	if root.weight > 2*len(text)+maxExpansion {
		return nil, Problem{Line: root.Line, Message: "aliases make the document too large"}
	}
	return root, nil
}

// notUTF8 is the place of the first byte that is not UTF-8, or -1.
func notUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

const afterEnd = "is not YAML: more follows the end of the document; divide documents with ---"

// syntax turns an error of the YAML library into a Problem. The library counts the lines of parser errors from 0 and
// those of scanner errors from 1; both come as text only.
func syntax(err error, text []byte, offset int) Problem {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if number, tail, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, msg = n, tail
			}
		}
	}
	switch {
	case line == 0:
		line = firstLine(text)
	case strings.HasPrefix(msg, "did not find expected"):
		line++
	}
	return Problem{Line: line + offset, Message: "is not YAML: " + msg}
}

// firstLine is the first line that is neither empty, comment nor divider.
func firstLine(text []byte) int {
	n := 1
	for line := range bytes.Lines(text) {
		if t := bytes.TrimSpace(line); len(t) > 0 && t[0] != '#' && !isDivider(line) {
			return n
		}
		n++
	}
	return 1
}
