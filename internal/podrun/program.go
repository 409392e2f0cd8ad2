package podrun

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"paifang/internal/model"
)

// programs knows what a container runs on this machine.
type programs struct {
	run     map[string]string
	builtin map[string][]string
}

// find returns the words of a container's program, the first one an absolute path. In this order: its command, if that
// is on this machine; what --run says of its image; the annotation paifang.dev/exec; what comes with this binary. args
// go to the first two and the last as they would to the image; an annotation is the whole line.
func (p programs) find(c model.Container) (argv []string, builtin bool, err error) {
	var missing error
	if len(c.Command) > 0 {
		path, err := locate(c.Command[0], c.Dir)
		if err == nil {
			return words(path, c.Command[1:], c.Args), false, nil
		}
		missing = err
	}
	if line, ok := byImage(p.run, c.Image); ok {
		return p.split("--run "+c.Image, line, "", c.Args)
	}
	if c.Exec != "" {
		return p.split("the annotation paifang.dev/exec", c.Exec, c.Dir, nil)
	}
	if argv, ok := byImage(p.builtin, c.Image); ok && len(argv) > 0 && missing == nil {
		path, err := locate(argv[0], "")
		if err != nil {
			return nil, false, noProgram(c, err.Error())
		}
		return words(path, argv[1:], c.Args), true, nil
	}
	if missing != nil {
		return nil, false, noProgram(c, "its command is not on this machine ("+missing.Error()+")")
	}
	return nil, false, noProgram(c, "no program on this machine is named for it")
}

func (p programs) split(who, line, dir string, args []string) ([]string, bool, error) {
	w, err := splitWords(line)
	if err != nil {
		return nil, false, faultf(model.CodeNoProgram, "%s: %q: %v", who, line, err)
	}
	path, err := locate(w[0], dir)
	if err != nil {
		return nil, false, faultf(model.CodeNoProgram, "%s: %q: %v", who, line, err)
	}
	return words(path, w[1:], args), false, nil
}

func noProgram(c model.Container, why string) error {
	return faultf(model.CodeNoProgram, "image %s is not pulled, and %s: give --run '%s=COMMAND', the container a command, "+
		"the pod template the annotation paifang.dev/exec, or --attach DEPLOYMENT=IP:PORT for a process that already runs",
		c.Image, why, c.Image)
}

func words(first string, more ...[]string) []string {
	out := []string{first}
	for _, m := range more {
		out = append(out, m...)
	}
	return out
}

// byImage looks an image up as written, then without its digest, then without its tag.
func byImage[V any](m map[string]V, image string) (V, bool) {
	if v, ok := m[image]; ok {
		return v, true
	}
	name, _, _ := strings.Cut(image, "@")
	if v, ok := m[name]; ok {
		return v, true
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	v, ok := m[name]
	return v, ok
}

// locate returns the absolute path of a program: one with a slash lies relative to dir, another one in PATH.
func locate(word, dir string) (string, error) {
	if !strings.ContainsRune(word, '/') && !strings.ContainsRune(word, filepath.Separator) {
		path, err := exec.LookPath(word)
		if err != nil {
			return "", fmt.Errorf("%s is not in PATH", word)
		}
		return filepath.Abs(path)
	}
	if !filepath.IsAbs(word) {
		word = filepath.Join(dir, word)
	}
	abs, err := filepath.Abs(word)
	if err != nil {
		return "", err
	}
	path, err := exec.LookPath(abs)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("there is no %s", abs)
	case err != nil:
		return "", fmt.Errorf("%s is no program: %w", abs, errors.Unwrap(err))
	}
	return path, nil
}

// expand replaces $(NAME) by the value of a variable that is known, and $$ by a dollar sign, as Kubernetes does in
// command, args and env; an unknown name stays as it is.
func expand(text string, value func(string) (string, bool)) string {
	if !strings.ContainsRune(text, '$') {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		switch text[i+1] {
		case '$':
			b.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(text[i:], ')')
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			if v, ok := value(text[i+2 : i+end]); ok {
				b.WriteString(v)
			} else {
				b.WriteString(text[i : i+end+1])
			}
			i += end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}
