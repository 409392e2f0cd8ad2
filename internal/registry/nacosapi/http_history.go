package nacosapi

import (
	"fmt"
	"strconv"

	"paifang/internal/registry/config"
)

// historyDetail is a version of a configuration; nid is its number.
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

func renderVersion(v config.Version) historyDetail {
	const form = "2006-01-02T15:04:05.000+00:00" // in UTC, as Jackson writes a Timestamp
	when := v.Modified.UTC().Format(form)
	return historyDetail{
		strconv.FormatInt(v.Version, 10), -1, v.ID.Name, v.ID.Group, tenant(v.ID), v.App, v.MD5, v.Content, v.From, v.By,
		string(v.Op), v.Created.UTC().Format(form), when, v.EncryptedKey,
	}
}

// version3 is the same since v3.
type version3 struct {
	configInfo
	IP      string `json:"srcIp"`
	User    string `json:"srcUser"`
	Op      string `json:"opType"`
	Publish string `json:"publishType"`
}

func renderVersion3(v config.Version) version3 {
	out := version3{info3(v.Item), v.From, v.By, string(v.Op), "formal"} // none is a beta
	out.ID = strconv.FormatInt(v.Version, 10)
	return out
}

// history answers with a page of versions, or with the one whose number is nid.
func history[T any](c call, group string, render func(config.Version) T) (any, error) {
	s, id, err := c.configID(group)
	if err != nil {
		return nil, err
	}
	list, err := s.History(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	if nid := c.q.Get("nid"); nid != "" {
		return versionOf(list, nid, 0, render)
	}
	no, size := c.paging()
	out := make([]T, 0, len(list))
	for _, v := range list {
		v.Content = ""
		out = append(out, render(v))
	}
	return newPage(out, no, size), nil
}

// versionOf finds a version by its number, or the one so many before it.
func versionOf[T any](list []config.Version, number string, before int, render func(config.Version) T) (any, error) {
	for i, v := range list {
		if strconv.FormatInt(v.Version, 10) == number && i+before < len(list) {
			return render(list[i+before]), nil
		}
	}
	return nil, fmt.Errorf("nacosapi: version %.32q: %w", number, config.ErrUnknown)
}

func v1History(c call) (any, error) { return history(c, "group", renderVersion) }
func v3History(c call) (any, error) { return history(c, "groupName", renderVersion3) }

// v1Previous answers with the version before the one that id names.
func v1Previous(c call) (any, error) {
	s, id, err := c.configID("group")
	if err != nil {
		return nil, err
	}
	list, err := s.History(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return versionOf(list, c.q.Get("id"), 1, renderVersion)
}

// v3Previous answers with the version before the present one, whose configuration id names by its number, or before one that it names itself.
func v3Previous(c call) (any, error) {
	s, id, err := c.configID("groupName")
	if err != nil {
		return nil, err
	}
	list, err := s.History(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	number := c.q.Get("id")
	item, _, err := s.Get(c.r.Context(), id)
	if err == nil && strconv.FormatInt(item.Revision, 10) == number && len(list) > 1 {
		return renderVersion3(list[1]), nil
	}
	return versionOf(list, number, 1, renderVersion3)
}
