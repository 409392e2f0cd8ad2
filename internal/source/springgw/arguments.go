package springgw

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// unchecked is named without looking for what Spring would evaluate, but for expressions.
func (p *part) unchecked(names ...string) (map[string]string, error) {
	values, _, err := p.read(names, func(v string) error {
		if strings.HasPrefix(v, "#{") {
			return checkLiteral(v)
		}
		return nil
	})
	return values, err
}

// named returns the arguments by the names that the factory gives its positions. Positions are those of the short form,
// and of keys _genkey_N in the long one. extra tells that there were more, which Spring passes over.
func (p *part) named(names ...string) (values map[string]string, extra bool, err error) {
	return p.read(names, checkLiteral)
}

func (p *part) read(names []string, check func(string) error) (values map[string]string, extra bool, err error) {
	values = map[string]string{}
	put := func(name, value string) {
		if err == nil {
			err = check(value)
		}
		values[bootconfig.Relaxed(name)] = value
	}
	for i, w := range p.words {
		if i < len(names) {
			put(names[i], w)
		} else {
			extra = true
		}
	}
	if p.args == nil {
		return values, extra, err
	}
	for i, k := range p.args.Kids {
		switch name := k.Name; {
		case strings.HasPrefix(name, "_genkey_") && i < len(names):
			put(names[i], k.Text())
		case strings.HasPrefix(name, "_genkey_"):
			extra = true
		case !k.IsText() && len(k.Kids) > 0: // "backoff.firstBackoff", written as one key or as two
			for _, inner := range k.Kids {
				put(name+"."+inner.Name, strings.Join(inner.Values(), ","))
			}
		default:
			put(name, strings.Join(k.Values(), ","))
		}
	}
	for i, item := range p.args.List() {
		if !p.args.IsText() && i < len(names) {
			put(names[i], item.Text())
		}
	}
	return values, extra, err
}

// drop takes arguments out that have none of the known names: Spring passes over them, which notes tells.
func (p *part) drop(kind string, values map[string]string, known []string) (notes []fault) {
	for _, name := range sortedKeys(values) {
		if slices.ContainsFunc(known, func(k string) bool { return bootconfig.Relaxed(k) == name }) {
			continue
		}
		delete(values, name)
		notes = append(notes, fault{"", p.line, p.field, model.CodeUnsupported, model.Warning,
			fmt.Sprintf("%s %s: %s is no argument of it and has no effect: it takes %s", kind, p.name, name, strings.Join(known, ", "))})
	}
	return notes
}

// CodeArgument is the code of an argument that has another name than its factory knows, and counts all the same.
const CodeArgument model.Code = "argument-unknown"

// gathered returns all arguments as one list, whose name list is, but for those with one of the names apart. As in Spring they are gathered
// however they are named, which notes tells. In the long form a comma in braces divides nothing.
func (p *part) gathered(kind, list string, apart ...string) (values []string, named map[string]string, notes []fault, err error) {
	values = append(values, p.words...)
	named = map[string]string{}
	if p.args != nil {
		if p.args.IsText() || p.args.IsList() {
			values = append(values, p.args.Values()...)
		}
	kids:
		for _, k := range p.args.Kids {
			for _, name := range apart {
				if bootconfig.Relaxed(k.Name) == bootconfig.Relaxed(name) {
					named[bootconfig.Relaxed(name)] = k.Text()
					continue kids
				}
			}
			if name := bootconfig.Relaxed(k.Name); name != bootconfig.Relaxed(list) && name != bootconfig.Relaxed(strings.TrimSuffix(list, "s")) && !strings.HasPrefix(k.Name, "_genkey_") {
				notes = append(notes, fault{"", p.line, p.field, CodeArgument, model.Warning, fmt.Sprintf("%s %s: %s is no argument of it and is read as one of %s: it takes %s",
					kind, p.name, k.Name, list, strings.Join(append([]string{list}, apart...), ", "))})
			}
			for _, v := range k.Values() {
				for _, w := range splitOutside(v, ',') {
					if w = strings.TrimSpace(w); w != "" {
						values = append(values, w)
					}
				}
			}
		}
	}
	for _, v := range values {
		if err := checkLiteral(v); err != nil {
			return nil, nil, nil, err
		}
	}
	return values, named, notes, nil
}

// checkLiteral refuses what Spring would evaluate.
func checkLiteral(v string) error {
	switch {
	case strings.HasPrefix(v, "#{") && strings.HasSuffix(v, "}"):
		return fmt.Errorf("%s is an expression of Spring, which is not evaluated: write its value", v)
	case strings.Contains(v, "${"):
		return fmt.Errorf("%s holds a placeholder without a value: give it in sources.spring.properties or the environment, or write a default behind a colon", v)
	}
	return nil
}

// timeout is a duration in a form of Spring Boot.
type timeout time.Duration

// off stands for a time limit that is switched off; a zero one would mean the default.
const off = 24 * time.Hour

// set reads milliseconds, or a number with a unit; a negative one switches the limit off. ISO 8601 ("PT5S") is read in
// its simple form of one unit.
func (t *timeout) set(text string) error {
	s := strings.TrimSpace(text)
	if iso, ok := strings.CutPrefix(strings.ToUpper(s), "PT"); ok {
		s = strings.ToLower(iso)
	}
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	unit, ok := map[string]time.Duration{"": time.Millisecond, "ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[s[len(number):]]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok {
		return fmt.Errorf("%q is not a duration: want milliseconds, or a number with ms, s, m or h", text)
	}
	switch {
	case n < 0, n > int64(off/unit):
		*t = timeout(off)
	default:
		*t = timeout(time.Duration(n) * unit)
	}
	return nil
}
