package nacosapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
)

// v1Configs is /v1/cs (ConfigController and HistoryController of the Nacos server).
func v1Configs() []endpoint {
	const path = "/v1/cs/configs"
	return []endpoint{
		{method: "GET", path: path, need: reads, handle: v1GetConfig, tenant: true, variants: []variant{
			beta(), {"export", "true", refusal(whyNoFiles)}, {"exportV2", "true", refusal(whyNoFiles)},
		}},
		{method: "POST", path: path, need: writes, handle: v1PublishConfig, tenant: true, large: true, variants: []variant{
			{"import", "true", refusal(whyNoFiles)}, {"clone", "true", refusal(whyNoFiles)},
		}},
		{method: "DELETE", path: path, need: writes, handle: v1RemoveConfig, tenant: true, variants: []variant{
			beta(), {"delType", "ids", v1RemoveConfigs},
		}},
		{method: "POST", path: path + "/listener", need: knows, handle: v1Listen, tenant: true},
		{method: "GET", path: "/v1/cs/history", need: reads, handle: v1History, tenant: true},
		{method: "GET", path: "/v1/cs/history/previous", need: reads, handle: v1Previous, tenant: true},
		{method: "GET", path: "/v1/cs/history/configs", need: reads, handle: v1ConfigsOf, tenant: true},
		{method: "GET", path: "/v1/cs/health", handle: func(call) (any, error) { return "UP", nil }},
	}
}

var errNoConfigs = errors.New("this registry keeps no configurations")

func (c call) configs() (*config.Store, error) {
	if s := c.server.cfg.Configs; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("nacosapi: %w: %w", errNoConfigs, registry.ErrUnknown)
}

// configID reads the parameters that name a configuration; group is how the group is called.
func (c call) configID(group string) (*config.Store, config.ID, error) {
	s, err := c.configs()
	if err != nil {
		return nil, config.ID{}, err
	}
	name, err := c.required("dataId")
	if err != nil {
		return nil, config.ID{}, err
	}
	g, err := c.required(group)
	return s, config.ID{Namespace: c.namespace, Group: g, Name: name}, err
}

// v1GetConfig answers with the content as it is, with everything about it (show=all), or with a page of a search.
func v1GetConfig(c call) (any, error) {
	if c.q.Get("search") != "" {
		return v1Search(c)
	}
	s, id, err := c.configID("group")
	if err != nil {
		return nil, err
	}
	item, stale, err := c.readConfig(s, id)
	if errors.Is(err, config.ErrUnknown) {
		c.w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		c.w.WriteHeader(http.StatusNotFound)
		_, err := fmt.Fprint(c.w, "config data not exist")
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if c.q.Get("show") == "all" {
		return detail(item), nil
	}
	h := c.w.Header()
	h.Set("Config-Type", item.Type)
	h.Set("Content-MD5", item.MD5)
	h.Set("Content-Type", contentType(item.Type))
	h.Set("Cache-Control", "no-cache,no-store")
	h.Set("Last-Modified", item.Modified.UTC().Format(http.TimeFormat))
	if item.EncryptedKey != "" {
		h.Set("Encrypted-Data-Key", item.EncryptedKey)
	}
	if stale {
		h.Set("Warning", `110 - "the storage is out of reach"`)
	}
	return item.Content, nil
}

// readConfig finds nothing under a tag: there are none, and what is for everybody is not what was asked for.
func (c call) readConfig(s *config.Store, id config.ID) (item config.Item, stale bool, err error) {
	if c.q.Get("tag") != "" {
		return item, false, fmt.Errorf("nacosapi: configurations have no tags: %w", config.ErrUnknown)
	}
	return s.Get(c.r.Context(), id)
}

func contentType(kind string) string {
	switch kind {
	case "json":
		return "application/json;charset=UTF-8"
	case "xml":
		return "application/xml;charset=UTF-8"
	}
	return "text/plain;charset=UTF-8" // HTML too: nobody's page is shown from here
}

// configDetail is a configuration with everything about it. Times are milliseconds since 1970.
type configDetail struct {
	ID           string `json:"id"`
	DataID       string `json:"dataId"`
	Group        string `json:"group"`
	Tenant       string `json:"tenant"`
	Content      string `json:"content"`
	MD5          string `json:"md5"`
	Type         string `json:"type"`
	App          string `json:"appName"`
	Description  string `json:"desc"`
	Tags         string `json:"configTags"`
	EncryptedKey string `json:"encryptedDataKey"`
	User         string `json:"createUser"`
	IP           string `json:"createIp"`
	Created      int64  `json:"createTime"`
	Modified     int64  `json:"modifyTime"`
}

func detail(i config.Item) configDetail {
	return configDetail{
		ID: strconv.FormatInt(i.Revision, 10), DataID: i.ID.Name, Group: i.ID.Group, Tenant: tenant(i.ID), Content: i.Content, MD5: i.MD5,
		Type: i.Type, App: i.App, Description: i.Description, Tags: i.Tags, EncryptedKey: i.EncryptedKey, User: i.By, IP: i.From,
		Created: i.Created.UnixMilli(), Modified: i.Modified.UnixMilli(),
	}
}

// tenant is a namespace as HTTP v1 and v2 write it.
func tenant(id config.ID) string {
	if id.Namespace == config.Public {
		return ""
	}
	return id.Namespace
}

// pageOf is one page of a list.
type pageOf[T any] struct {
	Total int `json:"totalCount"`
	No    int `json:"pageNumber"`
	Pages int `json:"pagesAvailable"`
	Items []T `json:"pageItems"`
}

func newPage[T any](all []T, no, size int) pageOf[T] {
	from := min((no-1)*size, len(all))
	if no > len(all) {
		from = len(all)
	}
	return pageOf[T]{len(all), no, (len(all) + size - 1) / size, append([]T{}, all[from:min(from+size, len(all))]...)}
}

func v1PublishConfig(c call) (any, error) {
	s, id, err := c.configID("group")
	if err != nil {
		return nil, err
	}
	return c.publishConfig(s, id)
}

// publishConfig sets a configuration to what the parameters say.
func (c call) publishConfig(s *config.Store, id config.ID) (any, error) {
	if err := forAll(c.r.Header.Get("betaIps"), c.q.Get("tag")); err != nil {
		return nil, err
	}
	content, err := c.required("content")
	if err != nil {
		return nil, err
	}
	_, err = s.Publish(c.r.Context(), config.Item{
		ID: id, Content: content, Type: kindOf(c.q.Get("type")), App: c.q.Get("appName"), Description: c.q.Get("desc"),
		Tags: nacoswire.NonEmpty(c.q.Get("config_tags"), c.q.Get("configTags")), EncryptedKey: c.q.Get("encryptedDataKey"),
		By: nacoswire.NonEmpty(c.who.User, nacoswire.NonEmpty(c.q.Get("src_user"), c.q.Get("srcUser"))), From: c.from(),
	}, nacoswire.NonEmpty(c.q.Get("casMd5"), c.r.Header.Get("casMd5")))
	return err == nil, err
}

// kindOf takes what Nacos does not know for text, as Nacos does.
func kindOf(kind string) string {
	if slices.Contains([]string{"properties", "xml", "json", "text", "html", "yaml", "toml", "unset"}, kind) {
		return kind
	}
	return "text"
}

func v1RemoveConfig(c call) (any, error) {
	s, id, err := c.configID("group")
	if err != nil {
		return nil, err
	}
	return c.removeConfig(s, id)
}

// v1RemoveConfigs is what v3RemoveConfigs is, answered as v1 does.
func v1RemoveConfigs(c call) (any, error) {
	done, err := v3RemoveConfigs(c)
	return told{Code: http.StatusOK, Data: done}, err
}

// removeConfig answers true also when there is nothing to take away.
func (c call) removeConfig(s *config.Store, id config.ID) (any, error) {
	if err := forAll("", c.q.Get("tag")); err != nil {
		return nil, err
	}
	_, err := s.Remove(c.r.Context(), id, c.who.User, c.from())
	return err == nil, err
}

// v1History answers with a page of versions without their contents, or with the version that nid names.

// v1ConfigsOf are all of a namespace, without their contents.
func v1ConfigsOf(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	out := []configDetail{}
	for _, i := range s.List(c.namespace) {
		out = append(out, detail(i))
	}
	return out, nil
}

// longest bounds a long poll, and shortest what a client may ask for; it is answered a little before the client gives up.
const (
	longest  = 45 * time.Second
	shortest = time.Second
	headroom = 500 * time.Millisecond
)

// longPoll is how long the client wants to wait, by its header, and has the answer allowed for that long. A client without the
// header asks once.
func (c call) longPoll() (time.Duration, error) {
	ms, err := strconv.ParseInt(c.r.Header.Get("Long-Pulling-Timeout"), 10, 64)
	if err != nil || ms <= 0 || c.r.Header.Get("Long-Pulling-Timeout-No-Hangup") == "true" {
		return 0, nil
	}
	wait := max(time.Duration(min(ms, longest.Milliseconds()))*time.Millisecond, shortest)
	if err := http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(wait + 15*time.Second)); err != nil {
		return 0, fmt.Errorf("nacosapi: long poll: %w", err)
	}
	return wait, nil
}

// v1Listen answers at once with the configurations of which the client has not the present content, or, where there are none,
// when there is one, or with nothing when its time is over.
func v1Listen(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	seen, err := nacoswire.ParseListening(c.q.Get("Listening-Configs"))
	if err != nil {
		return nil, invalid(err)
	}
	w := s.Watch()
	defer w.Close()
	of := make(map[config.ID]nacoswire.ConfigSeen, len(seen))
	for _, one := range seen {
		id := configIDOf(one.ConfigRef)
		if _, err := c.server.allow(c.r.Context(), httpProof(&c), reads, id.Namespace); err != nil {
			return nil, err
		}
		of[id] = one
		w.Add(id)
	}
	wait, err := c.longPoll()
	if err != nil {
		return nil, err
	}
	over := time.NewTimer(max(wait-headroom, 0))
	defer over.Stop()
	c.w.Header().Set("Cache-Control", "no-cache,no-store")
	for {
		var changed []nacoswire.ConfigRef
		for id, one := range of {
			if s.MD5(id) != one.MD5 {
				changed = append(changed, one.ConfigRef)
			}
		}
		if len(changed) > 0 || wait == 0 {
			return nacoswire.ChangedText(changed), nil
		}
		select {
		case <-w.C():
			w.Take()
		case <-over.C:
			return "", nil
		case <-c.r.Context().Done():
			return "", nil
		case <-c.Done():
			return "", nil
		case <-c.server.closing:
			return "", nil
		}
	}
}

// configIDOf takes the names of a request with their defaults.
func configIDOf(r nacoswire.ConfigRef) config.ID {
	return config.ID{Namespace: nacoswire.NonEmpty(r.Tenant, config.Public), Group: nacoswire.NonEmpty(r.Group, nacoswire.DefaultGroup), Name: r.DataID}
}
