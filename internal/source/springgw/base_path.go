package springgw

import (
	"fmt"
	"strings"

	"paifang/internal/model"
)

// basePath is what stands in front of every path of the application (spring.webflux.base-path), without a slash at its end; "" where nothing
// does. What is outside of it is not the application's.
func (s *setting) basePath() (string, error) {
	p := s.get("spring", "webflux", "base-path")
	text := strings.TrimSuffix(p.Text(), "/")
	switch {
	case text == "":
		return "", nil
	case !strings.HasPrefix(text, "/"):
		text = "/" + text
	}
	if strings.ContainsAny(text, "{}*?# ") {
		return "", fmt.Errorf("spring.webflux.base-path %q is no path", p.Text())
	}
	return text, nil
}

// based is a pattern behind the base path. One that does not begin with a slash is taken as if it did.
func (s *setting) based(pattern string) (string, error) {
	base, err := s.basePath()
	if !strings.HasPrefix(pattern, "/") {
		pattern = "/" + pattern
	}
	return base + pattern, err
}

// withinBase has a route that asks for no path ask for those of the application, if these are not all.
func (c *condition) withinBase(around *setting) error {
	base, err := around.basePath()
	if err == nil && base != "" && len(c.paths) == 0 {
		c.paths = []model.PathMatch{{Kind: model.PathPrefix, Value: base}}
	}
	return err
}
