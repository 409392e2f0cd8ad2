package app

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"paifang/internal/source"
	"paifang/internal/source/springgw"
)

// TestSpringProperties: each property that is said to be supported has a case of its name, or of one that it is below, which sends requests
// (TestSpringCases has it pass), and fails where the property is taken out.
func TestSpringProperties(t *testing.T) {
	t.Parallel() // what is in it waits
	for _, v := range springgw.Verdicts() {
		if v.Kind != "property" || v.Verdict != springgw.Supported {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			file := propertyCase(t, v.Name)
			if file == "" {
				t.Fatal("no case testdata/spring/property-*.txtar of its name shows that it is supported")
			}
			archive := caseOf(t, file)
			if !takeOut(archive, v.Name) {
				t.Fatalf("%s does not set it in a line that begins with its name", file)
			}
			if len(complaints(t, func(t testing.TB) { springCase(t, archive, springSilent) })) == 0 {
				t.Errorf("%s passes without it", file)
			}
		})
	}
}

const springPrefix = "spring.cloud.gateway."

// propertyCase is the case of a property, or of the nearest one that it is below.
func propertyCase(t testing.TB, name string) string {
	for name = strings.TrimPrefix(name, springPrefix); name != ""; name = name[:max(strings.LastIndexByte(name, '.'), 0)] {
		files, err := filepath.Glob("testdata/spring/property-" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 1 {
			return files[0]
		}
	}
	return ""
}

// takeOut removes the lines that set a property, or one below it, with what belongs to them.
func takeOut(archive *txtar.Archive, name string) (found bool) {
	for i := range archive.Files {
		f := &archive.Files[i]
		if f.Name == "exchanges" || f.Name == "services" {
			continue
		}
		var rest strings.Builder
		inside := false
		for line := range strings.Lines(string(f.Data)) {
			if !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "- ") {
				key := strings.Replace(line[:max(strings.IndexAny(line, ":="), 0)], springPrefix+"server.webflux.", springPrefix, 1)
				inside = key == name || strings.HasPrefix(key, name+".")
			}
			if found = found || inside; !inside {
				rest.WriteString(line)
			}
		}
		f.Data = []byte(rest.String())
	}
	return found
}

// springSilent is springLoaded for a configuration that may be complained of: what counts is what becomes of requests.
func springSilent(t testing.TB, c springgw.Config) []source.Group {
	groups := springLoaded(t, c)
	for _, g := range groups {
		g.Objects.Diagnostics = nil
	}
	return groups
}

// complaints are what f says against a test, which goes on.
func complaints(t testing.TB, f func(testing.TB)) []string {
	c := &complainer{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(c)
	}()
	<-done
	return c.said
}

type complainer struct {
	testing.TB
	said []string
}

func (c *complainer) Error(args ...any) { c.said = append(c.said, fmt.Sprint(args...)) }
func (c *complainer) Errorf(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

func (c *complainer) Fatal(args ...any) {
	c.Error(args...)
	runtime.Goexit()
}

func (c *complainer) Fatalf(format string, args ...any) {
	c.Errorf(format, args...)
	runtime.Goexit()
}
