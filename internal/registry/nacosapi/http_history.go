package nacosapi

import (
	"fmt"
	"strconv"

	"paifang/internal/registry/config"
)

// historyDetail is a change of a configuration; nid is its number, and the content is what was there before.
type historyDetail struct {
	ID           string `json:"id"`
	LastID       int64  `json:"lastId"`
	DataID       string `json:"dataId"`
	Group        string `json:"group"`
	Tenant       string `json:"tenant"`
	App          string `json:"appName"`
	MD5          string `json:"md5"`
	Content      string `json:"content,omitempty"`
	IP           string `json:"srcIp"`
	User         string `json:"srcUser"`
	Op           string `json:"opType"`
	Created      string `json:"createdTime"`
	Modified     string `json:"lastModifiedTime"`
	EncryptedKey string `json:"encryptedDataKey"`
}

func renderChange(v config.Change) historyDetail {
	const form = "2006-01-02T15:04:05.000+00:00" // in UTC, as Jackson writes a Timestamp
	when := v.Modified.UTC().Format(form)
	return historyDetail{
		strconv.FormatInt(v.Version, 10), -1, v.ID.Name, v.ID.Group, tenant(v.ID), v.App, v.MD5, v.Content, v.From, v.By,
		string(v.Op), v.Created.UTC().Format(form), when, v.EncryptedKey,
	}
}

// change3 is the same since v3.
type change3 struct {
	configInfo
	IP      string `json:"srcIp"`
	User    string `json:"srcUser"`
	Op      string `json:"opType"`
	Publish string `json:"publishType"`
}

func renderChange3(v config.Change) change3 {
	out := change3{info3(v.Item), v.From, v.By, string(v.Op), "formal"} // none is a beta
	out.ID = strconv.FormatInt(v.Version, 10)
	return out
}

// history answers with a page of changes, or with the one whose number is nid.
func history[T any](c call, group string, render func(config.Change) T) (any, error) {
	s, id, err := c.configID(group)
	if err != nil {
		return nil, err
	}
	list, err := s.History(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	if nid := c.q.Get("nid"); nid != "" {
		for _, v := range list {
			if strconv.FormatInt(v.Version, 10) == nid {
				return render(v), nil
			}
		}
		return nil, fmt.Errorf("nacosapi: change %.32q: %w", nid, config.ErrUnknown)
	}
	no, size := c.paging()
	out := make([]T, 0, len(list))
	for _, v := range list {
		v.Content = ""
		out = append(out, render(v))
	}
	return newPage(out, no, size), nil
}

// previous answers with the last change of the configuration that has the number id: what was there before the present one. One that was
// never changed has none.
func previous[T any](c call, group string, render func(config.Change) T) (any, error) {
	s, id, err := c.configID(group)
	if err != nil {
		return nil, err
	}
	item, _, err := s.Get(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	list, err := s.History(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	if number := c.q.Get("id"); strconv.FormatInt(item.Revision, 10) != number || list[0].Op != config.Changed {
		return nil, fmt.Errorf("nacosapi: change of configuration %.32q: %w", number, config.ErrUnknown)
	}
	return render(list[0]), nil
}

func v1History(c call) (any, error)  { return history(c, "group", renderChange) }
func v3History(c call) (any, error)  { return history(c, "groupName", renderChange3) }
func v1Previous(c call) (any, error) { return previous(c, "group", renderChange) }
func v3Previous(c call) (any, error) { return previous(c, "groupName", renderChange3) }
