package interop

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
)

const group = "DEFAULT_GROUP"

// go2 is nacos-sdk-go v2.
type go2 struct {
	naming    naming_client.INamingClient
	cfg       config_client.IConfigClient
	namespace string
	*told
}

func openGo2(t *testing.T, a access) client {
	t.Helper()
	param := vo.NacosClientParam{
		ClientConfig: &constant.ClientConfig{
			TimeoutMs: 5000, NamespaceId: publicEmpty(a.namespace), Username: a.username, Password: a.password,
			NotLoadCacheAtStart: true, UpdateCacheWhenEmpty: true, LogLevel: "error",
			LogDir: filepath.Join(a.dir, "log"), CacheDir: filepath.Join(a.dir, "cache"),
			TLSCfg: constant.TLSConfig{Appointed: true, Enable: a.tls != "", CaFile: a.tls},
		},
		ServerConfigs: []constant.ServerConfig{{IpAddr: a.host, Port: uint64(a.port), Scheme: scheme(a)}},
	}
	c := &go2{namespace: publicEmpty(a.namespace), told: newTold()}
	var err error
	if c.naming, err = clients.NewNamingClient(param); err != nil {
		t.Fatal(err)
	}
	if c.cfg, err = clients.NewConfigClient(param); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// publicEmpty writes the public namespace as the Go clients want it.
func publicEmpty(namespace string) string {
	if namespace == "public" {
		return ""
	}
	return namespace
}

func scheme(a access) string {
	if a.tls != "" {
		return "https"
	}
	return "http"
}

func (c *go2) register(service string, in instance) error {
	return yes(c.naming.RegisterInstance(go2Param(service, in)))
}

func go2Param(service string, in instance) vo.RegisterInstanceParam {
	return vo.RegisterInstanceParam{
		ServiceName: service, GroupName: group, Ip: in.ip, Port: uint64(in.port), ClusterName: in.cluster, Weight: in.weight,
		Enable: in.enabled, Healthy: in.healthy, Ephemeral: in.ephemeral, Metadata: in.metadata,
	}
}

// yes turns an answer without an error and without success into an error.
func yes(ok bool, err error) error {
	if err == nil && !ok {
		err = errors.New("the client answers false")
	}
	return err
}

func (c *go2) batch(service string, list []instance) error {
	p := vo.BatchRegisterInstanceParam{ServiceName: service, GroupName: group}
	for _, in := range list {
		p.Instances = append(p.Instances, go2Param(service, in))
	}
	return yes(c.naming.BatchRegisterInstance(p))
}

func (c *go2) deregister(service string, in instance) error {
	return yes(c.naming.DeregisterInstance(vo.DeregisterInstanceParam{
		ServiceName: service, GroupName: group, Ip: in.ip, Port: uint64(in.port), Cluster: in.cluster, Ephemeral: in.ephemeral,
	}))
}

func (c *go2) list(service string) ([]instance, error) {
	list, err := c.naming.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: service, GroupName: group})
	if err != nil && strings.Contains(err.Error(), "instance list is empty") {
		return nil, nil
	}
	return go2List(list), err
}

func go2List(list []model.Instance) []instance {
	var out []instance
	for _, h := range list {
		out = append(out, instance{h.Ip, int(h.Port), h.ClusterName, h.Weight, h.Healthy, h.Enable, h.Ephemeral, h.Metadata})
	}
	return out
}

func (c *go2) services() ([]string, error) {
	l, err := c.naming.GetAllServicesInfo(vo.GetAllServiceInfoParam{NameSpace: c.namespace, GroupName: group, PageNo: 1, PageSize: 1000})
	return l.Doms, err
}

func (c *go2) subscribe(service string) error {
	return c.naming.Subscribe(&vo.SubscribeParam{ServiceName: service, GroupName: group,
		SubscribeCallback: func(list []model.Instance, err error) {
			if err == nil || len(list) == 0 { // an empty list comes with an error
				c.told.list(service, go2List(list))
			}
		}})
}

func (c *go2) publish(dataID, content string) error {
	return yes(c.cfg.PublishConfig(vo.ConfigParam{DataId: dataID, Group: group, Content: content}))
}

func (c *go2) publishCAS(dataID, content, md5 string) error {
	return yes(c.cfg.PublishConfig(vo.ConfigParam{DataId: dataID, Group: group, Content: content, CasMd5: md5}))
}

func (c *go2) config(dataID string) (string, error) {
	content, err := c.cfg.GetConfig(vo.ConfigParam{DataId: dataID, Group: group})
	if err != nil && strings.Contains(err.Error(), "config data not exist") {
		return "", nil
	}
	return content, err
}

func (c *go2) remove(dataID string) error {
	return yes(c.cfg.DeleteConfig(vo.ConfigParam{DataId: dataID, Group: group}))
}

func (c *go2) listen(dataID string) error {
	return c.cfg.ListenConfig(vo.ConfigParam{DataId: dataID, Group: group,
		OnChange: func(_, _, _, data string) { c.told.content(dataID, data) }})
}

func (c *go2) fuzzyWatch(string) error { return errors.New("not there") }
func (c *go2) fuzzySeen() []string     { return nil }

func (c *go2) fuzzyWatchConfigs(string) error { return errors.New("not there") }
func (c *go2) fuzzyConfigsSeen() []string     { return nil }

func (c *go2) close() {
	c.naming.CloseClient()
	c.cfg.CloseClient()
}
