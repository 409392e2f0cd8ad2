package nacosapi

import (
	"errors"
	"fmt"
	"strings"

	"paifang/internal/registry"
	"paifang/internal/registry/config"
)

// search finds configurations: search=accurate by what is said, search=blur by patterns too.
func (c call) search(s *config.Store, group, content, types, tags string) ([]config.Item, error) {
	return s.Search(c.r.Context(), config.Query{
		Namespace: c.namespace, Group: c.q.Get(group), Name: c.q.Get("dataId"), Content: c.q.Get(content), App: c.q.Get("appName"),
		Types: words(c.q.Get(types)), Tags: words(c.q.Get(tags)), Exact: c.q.Get("search") == "accurate",
	})
}

// words are the parts between commas.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

// maxFound bounds the contents of one page, which is in memory as a whole, in bytes.
const maxFound = 32 << 20

// v1Search has what it finds with contents.
func v1Search(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	no, size := c.paging()
	all, err := c.search(s, "group", "config_detail", "types", "config_tags")
	if err != nil {
		return nil, err
	}
	found := newPage(all, no, size)
	out := pageOf[configDetail]{found.Total, found.No, found.Pages, []configDetail{}}
	bytes := 0
	for _, i := range found.Items {
		full, _, err := s.Get(c.r.Context(), i.ID)
		if errors.Is(err, config.ErrUnknown) {
			continue // removed just now
		}
		if err != nil {
			return nil, err
		}
		if bytes += len(full.Content); bytes > maxFound {
			return nil, fmt.Errorf("nacosapi: the configurations of this page have more than %d MiB: ask for fewer of them with pageSize: %w", maxFound>>20, registry.ErrInvalid)
		}
		out.Items = append(out.Items, detail(full))
	}
	return out, nil
}

func v3Configs(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	no, size := c.paging()
	list, err := c.search(s, "groupName", "configDetail", "type", "configTags")
	if err != nil {
		return nil, err
	}
	out := make([]configInfo, 0, len(list))
	for _, i := range list {
		out = append(out, info3(i))
	}
	return newPage(out, no, size), nil
}
