package interop

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nacos-group/nacos-sdk-go/clients"
	"github.com/nacos-group/nacos-sdk-go/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/common/constant"
	"github.com/nacos-group/nacos-sdk-go/model"
	"github.com/nacos-group/nacos-sdk-go/vo"
)

// go1 is nacos-sdk-go v1. It has no way to be closed.
type go1 struct {
	naming    naming_client.INamingClient
	cfg       config_client.IConfigClient
	namespace string
	*told
}

func openGo1(t *testing.T, a access) client {
	t.Helper()
	param := vo.NacosClientParam{
		ClientConfig: &constant.ClientConfig{
			TimeoutMs: 5000, NamespaceId: publicEmpty(a.namespace), Username: a.username, Password: a.password,
			NotLoadCacheAtStart: true, UpdateCacheWhenEmpty: true, LogLevel: "error",
			LogDir: filepath.Join(a.dir, "log"), CacheDir: filepath.Join(a.dir, "cache"),
		},
		ServerConfigs: []constant.ServerConfig{{Scheme: "http", IpAddr: a.host, Port: uint64(a.port), ContextPath: "/nacos"}},
	}
	if a.tls != "" {
		param.ServerConfigs[0].Scheme = "https" // it has no setting for certificates: TestTLS has the process trust the server's
	}
	c := &go1{namespace: publicEmpty(a.namespace), told: newTold()}
	var err error
	if c.naming, err = clients.NewNamingClient(param); err != nil {
		t.Fatal(err)
	}
	if c.cfg, err = clients.NewConfigClient(param); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *go1) register(service string, in instance) error {
	return yes(c.naming.RegisterInstance(vo.RegisterInstanceParam{
		ServiceName: service, GroupName: group, Ip: in.ip, Port: uint64(in.port), ClusterName: in.cluster, Weight: in.weight,
		Enable: in.enabled, Healthy: in.healthy, Ephemeral: in.ephemeral, Metadata: in.metadata,
	}))
}

func (c *go1) batch(string, []instance) error { return errors.New("not there") }

func (c *go1) deregister(service string, in instance) error {
	return yes(c.naming.DeregisterInstance(vo.DeregisterInstanceParam{
		ServiceName: service, GroupName: group, Ip: in.ip, Port: uint64(in.port), Cluster: in.cluster, Ephemeral: in.ephemeral,
	}))
}

func (c *go1) list(service string) ([]instance, error) {
	list, err := c.naming.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, GroupName: group})
	if err != nil && strings.Contains(err.Error(), "instance list is empty") {
		return nil, nil
	}
	var out []instance
	for _, h := range list {
		out = append(out, instance{h.Ip, int(h.Port), h.ClusterName, h.Weight, h.Healthy, h.Enable, h.Ephemeral, h.Metadata})
	}
	return out, err
}

func (c *go1) services() ([]string, error) {
	l, err := c.naming.GetAllServicesInfo(vo.GetAllServiceInfoParam{NameSpace: c.namespace, GroupName: group, PageNo: 1, PageSize: 1000})
	return l.Doms, err
}

// subscribe gets lists that do not say whether an instance is ephemeral.
func (c *go1) subscribe(service string) error {
	return c.naming.Subscribe(&vo.SubscribeParam{ServiceName: service, GroupName: group,
		SubscribeCallback: func(list []model.SubscribeService, err error) {
			var out []instance
			for _, h := range list {
				out = append(out, instance{h.Ip, int(h.Port), h.ClusterName, h.Weight, h.Healthy, h.Enable, true, h.Metadata})
			}
			c.told.list(service, out)
		}})
}

func (c *go1) publish(dataID, content string) error {
	return yes(c.cfg.PublishConfig(vo.ConfigParam{DataId: dataID, Group: group, Content: content}))
}

func (c *go1) publishCAS(string, string, string) error { return errors.New("not there") }

func (c *go1) config(dataID string) (string, error) {
	content, err := c.cfg.GetConfig(vo.ConfigParam{DataId: dataID, Group: group})
	if err != nil && strings.Contains(err.Error(), "config not found") {
		return "", nil
	}
	return content, err
}

func (c *go1) remove(dataID string) error {
	return yes(c.cfg.DeleteConfig(vo.ConfigParam{DataId: dataID, Group: group}))
}

func (c *go1) listen(dataID string) error {
	return c.cfg.ListenConfig(vo.ConfigParam{DataId: dataID, Group: group,
		OnChange: func(_, _, _, data string) { c.told.content(dataID, data) }})
}

func (c *go1) fuzzyWatch(string) error { return errors.New("not there") }
func (c *go1) fuzzySeen() []string     { return nil }

func (c *go1) fuzzyWatchConfigs(string) error { return errors.New("not there") }
func (c *go1) fuzzyConfigsSeen() []string     { return nil }
func (c *go1) close()                         {}
