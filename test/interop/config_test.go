package interop

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"testing"
	"time"
)

// hears waits until a listener was told a content.
func hears(t *testing.T, c client, dataID, want string) time.Duration {
	t.Helper()
	return eventually(t, 10*time.Second, fmt.Sprintf("the listener of %s is told %q", dataID, want), func() (bool, string) {
		got, told := c.heard(dataID)
		return told && got == want, got
	})
}

func TestConfig(t *testing.T) {
	each(t, settings{}, "", func(t *testing.T, v *server, k kind, a access) {
		c, second := k.open(t, a), other(t, a)
		got, err := c.config("order.yaml")
		if err != nil || got != "" {
			t.Fatalf("there is %q, %v", got, err)
		}
		must(t, c.publish("order.yaml", "limit: 1"))
		reads := func(want string) {
			t.Helper()
			eventually(t, 5*time.Second, "the configuration is "+want, func() (bool, string) {
				got, err := c.config("order.yaml")
				return got == want && err == nil, fmt.Sprint(got, err)
			})
		}
		reads("limit: 1")
		must(t, c.listen("order.yaml"))
		must(t, second.publish("order.yaml", "limit: 2"))
		t.Logf("%s: told of a change after %v", k.name, hears(t, c, "order.yaml", "limit: 2"))
		must(t, c.publish("order.yaml", "limit: 3"))
		hears(t, c, "order.yaml", "limit: 3")
		must(t, c.remove("order.yaml"))
		eventually(t, 5*time.Second, "the configuration is gone", func() (bool, string) {
			status, body := v.ask(t, "GET", "/v1/cs/configs", "dataId", "order.yaml", "group", group, "tenant", a.namespace)
			return status == 404, body
		})
	})
}

func TestConfigCAS(t *testing.T) {
	each(t, settings{}, "cas", func(t *testing.T, v *server, k kind, a access) {
		c := k.open(t, a)
		must(t, c.publish("order.yaml", "limit: 1"))
		sum := md5.Sum([]byte("limit: 1"))
		if err := c.publishCAS("order.yaml", "limit: 2", hex.EncodeToString(sum[:])); err != nil {
			t.Fatal(err)
		}
		if err := c.publishCAS("order.yaml", "limit: 3", hex.EncodeToString(sum[:])); err == nil {
			t.Fatal("it was changed with an old MD5")
		}
		if got, err := other(t, a).config("order.yaml"); got != "limit: 2" || err != nil {
			t.Fatal(got, err)
		}
	})
}

// other is a second client, of another kind than most.
func other(t *testing.T, a access) client {
	return openGo2(t, access{host: a.host, port: a.port, namespace: a.namespace, username: a.username, password: a.password, dir: scratch(t)})
}

// Who watches a pattern learns which configurations come and go.
func TestFuzzyWatchOfConfigs(t *testing.T) {
	each(t, settings{}, "fuzzy", func(t *testing.T, _ *server, k kind, a access) {
		c, second := k.open(t, a), other(t, a)
		must(t, second.publish("shop.yaml", "1"))
		must(t, second.publish("other.yaml", "1"))
		must(t, c.fuzzyWatchConfigs("shop"))
		knows(t, c.fuzzyConfigsSeen, "shop.yaml")
		must(t, second.publish("shop-cart.yaml", "1"))
		knows(t, c.fuzzyConfigsSeen, "shop-cart.yaml", "shop.yaml")
		must(t, second.remove("shop.yaml"))
		knows(t, c.fuzzyConfigsSeen, "shop-cart.yaml")
	})
}
