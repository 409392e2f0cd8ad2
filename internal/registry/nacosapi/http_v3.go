package nacosapi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"paifang/internal/nacoswire"
	"paifang/internal/registry"
	"paifang/internal/registry/auth"
	"paifang/internal/registry/config"
)

// v3Client is /v3/client, what applications without a client library use since Nacos 3.0.
func v3Client() []endpoint {
	const path = "/v3/client/ns/instance"
	return []endpoint{
		{method: "POST", path: path, need: writes, handle: v3Register, result: true},
		{method: "DELETE", path: path, need: writes, handle: deregisterInstance, result: true},
		{method: "GET", path: path + "/list", need: reads, handle: v3Hosts, result: true},
		{method: "GET", path: "/v3/client/cs/config", need: reads, handle: v3GetConfig, result: true},
		{method: "POST", path: "/v3/auth/user/login", handle: logIn},
	}
}

// v3Admin is /v3/admin, as far as tools need it to look after instances, services and configurations.
func v3Admin() []endpoint {
	const (
		instance = "/v3/admin/ns/instance"
		cs       = "/v3/admin/cs/config"
	)
	return []endpoint{
		{method: "POST", path: instance, need: writes, handle: registerInstance, result: true},
		{method: "DELETE", path: instance, need: writes, handle: deregisterInstance, result: true},
		{method: "PUT", path: instance, need: writes, handle: updateInstance, result: true},
		{method: "PUT", path: instance + "/partial", need: writes, handle: updateInstance, result: true},
		{method: "GET", path: instance, need: reads, handle: v3Instance, result: true},
		{method: "GET", path: instance + "/list", need: reads, handle: v3AllHosts, result: true},
		{method: "PUT", path: instance + "/metadata/batch", need: writes, handle: batchMetadata(false), result: true},
		{method: "DELETE", path: instance + "/metadata/batch", need: writes, handle: batchMetadata(true), result: true},
		{method: "GET", path: "/v3/admin/ns/service", need: reads, handle: v3Service, result: true},
		{method: "POST", path: "/v3/admin/ns/service", need: writes, handle: createService, result: true},
		{method: "PUT", path: "/v3/admin/ns/service", need: writes, handle: updateService, result: true},
		{method: "DELETE", path: "/v3/admin/ns/service", need: writes, handle: removeService, result: true},
		{method: "PUT", path: "/v3/admin/ns/cluster", need: writes, handle: updateCluster, result: true},
		{method: "GET", path: "/v3/admin/ns/service/list", need: reads, handle: v3Services, result: true},
		{method: "GET", path: "/v3/admin/ns/service/subscribers", need: reads, handle: v3Subscribers, result: true},
		{method: "GET", path: cs, need: reads, handle: v3ConfigDetail, result: true, variants: []variant{beta()}},
		{method: "POST", path: cs, need: writes, handle: v3PublishConfig, result: true, large: true},
		{method: "DELETE", path: cs, need: writes, handle: v3RemoveConfig, result: true, variants: []variant{beta()}},
		{method: "DELETE", path: cs + "/batch", need: knows, handle: v3RemoveConfigs, result: true},
		{method: "GET", path: cs + "/list", need: reads, handle: v3Configs, result: true},
		{method: "GET", path: "/v3/admin/cs/history", need: reads, handle: v3History, result: true},
		{method: "GET", path: "/v3/admin/cs/history/list", need: reads, handle: v3History, result: true},
		{method: "GET", path: "/v3/admin/cs/history/previous", need: reads, handle: v3Previous, result: true},
		{method: "GET", path: "/v3/admin/cs/history/configs", need: reads, handle: configsOf, result: true},
		{method: "GET", path: "/v2/cs/history/configs", need: reads, handle: v1ConfigsOf, result: true},
		{method: "GET", path: "/v3/admin/core/state", handle: v1State, result: true},
		{method: "GET", path: "/v3/admin/core/state/liveness", handle: well, result: true},
		{method: "GET", path: "/v3/admin/core/state/readiness", handle: well, result: true},
	}
}

// v3Register registers, or is a heartbeat (heartBeat=true), which fails for an instance that is not known.
func v3Register(c call) (any, error) {
	if beat, _ := strconv.ParseBool(c.q.Get("heartBeat")); !beat {
		return registerInstance(c)
	}
	_, key, addr, err := c.form()
	if err != nil {
		return nil, err
	}
	if _, ok := c.forward(key, addr); ok {
		return "ok", nil
	}
	_, known, err := c.beatOf(key, addr)
	if err == nil && !known {
		err = fmt.Errorf("nacosapi: %s of %s: %w", addr, key, errInstance)
	}
	return "ok", err
}

// v3Hosts answers with the instances alone.
func v3Hosts(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	healthy, _ := strconv.ParseBool(c.q.Get("healthyOnly"))
	return render(c.View(key), filter{c.q.Get("clusterName"), healthy, true}).Hosts, nil
}

// v3AllHosts has those that were taken out by hand as well.
func v3AllHosts(c call) (any, error) {
	key, err := c.service()
	if err != nil {
		return nil, err
	}
	return c.hosts(key, c.q.Get("clusterName")), nil
}

// hosts are all instances of some clusters, or of all.
func (c call) hosts(key registry.Key, clusters string) []nacoswire.Instance {
	out := []nacoswire.Instance{}
	f := filter{clusters: clusters}
	v := c.View(key)
	for i := range v.Instances {
		if f.has(v.Instances[i].Cluster) {
			out = append(out, renderFull(key, &v.Instances[i]))
		}
	}
	return out
}

func v3Instance(c call) (any, error) {
	in, _, err := c.find()
	return in, err
}

func (c call) v3Config() (*config.Store, config.Item, error) {
	s, id, err := c.configID("groupName")
	if err != nil {
		return s, config.Item{}, err
	}
	item, _, err := s.Get(c.r.Context(), id)
	if errors.Is(err, config.ErrUnknown) {
		err = fmt.Errorf("nacosapi: config data not exist: %w", err)
	}
	return s, item, err
}

func v3GetConfig(c call) (any, error) {
	_, item, err := c.v3Config()
	if err != nil {
		return nil, err
	}
	return renderConfig("", item), nil
}

// configInfo is a configuration as /v3/admin shows it.
type configInfo struct {
	ID           string `json:"id"`
	Namespace    string `json:"namespaceId"`
	Group        string `json:"groupName"`
	DataID       string `json:"dataId"`
	MD5          string `json:"md5"`
	Type         string `json:"type"`
	App          string `json:"appName"`
	Created      int64  `json:"createTime"`
	Modified     int64  `json:"modifyTime"`
	Content      string `json:"content,omitempty"`
	Description  string `json:"desc,omitempty"`
	EncryptedKey string `json:"encryptedDataKey,omitempty"`
	User         string `json:"createUser,omitempty"`
	IP           string `json:"createIp,omitempty"`
	Tags         string `json:"configTags,omitempty"`
}

func info3(i config.Item) configInfo {
	return configInfo{
		strconv.FormatInt(i.Revision, 10), i.ID.Namespace, i.ID.Group, i.ID.Name, i.MD5, i.Type, i.App, i.Created.UnixMilli(), i.Modified.UnixMilli(),
		i.Content, i.Description, i.EncryptedKey, i.By, i.From, i.Tags,
	}
}

func v3ConfigDetail(c call) (any, error) {
	_, item, err := c.v3Config()
	if err != nil {
		return nil, err
	}
	return info3(item), nil
}

func v3PublishConfig(c call) (any, error) {
	s, id, err := c.configID("groupName")
	if err != nil {
		return nil, err
	}
	return c.publishConfig(s, id)
}

func v3RemoveConfig(c call) (any, error) {
	s, id, err := c.configID("groupName")
	if err != nil {
		return nil, err
	}
	return c.removeConfig(s, id)
}

// v3RemoveConfigs takes away the configurations that have the numbers in ids, in whatever namespace they are: who asks says none. Those
// that are not there are passed over.
func v3RemoveConfigs(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	text, err := c.required("ids")
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for id := range strings.SplitSeq(text, ",") {
		ids[strings.TrimSpace(id)] = true
	}
	for _, item := range s.List("") {
		if !ids[strconv.FormatInt(item.Revision, 10)] {
			continue
		}
		if c.server.cfg.Auth != nil {
			if err := c.who.May(auth.Write, item.ID.Namespace); err != nil {
				return nil, err
			}
		}
		if _, err := c.removeConfig(s, item.ID); err != nil {
			return nil, err
		}
	}
	return true, nil
}

// configsOf are all of a namespace, without their contents.
func configsOf(c call) (any, error) {
	s, err := c.configs()
	if err != nil {
		return nil, err
	}
	out := []configInfo{}
	for _, i := range s.List(c.namespace) {
		out = append(out, info3(i))
	}
	return out, nil
}
