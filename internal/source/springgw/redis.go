package springgw

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"paifang/internal/bootconfig"
)

// limitRedis is where a limit counts, as the filter has it.
type limitRedis struct {
	Addresses []string `json:"addresses"`
	Cluster   bool     `json:"cluster,omitempty"`
	TLS       bool     `json:"tls,omitempty"`
	Database  int      `json:"database,omitempty"`
	Timeout   string   `json:"timeout,omitempty"`
}

// mostRedisTimeout is how long the filter rate-limit lets a question to Redis take at most.
const mostRedisTimeout = 5 * time.Second

// readRedis reads spring.data.redis, and what is secret of it apart. A url counts for more than the parts that it has.
func readRedis(at *bootconfig.Property) (r *limitRedis, secret map[string]string, err error) {
	if at.Get("sentinel") != nil {
		return nil, nil, errors.New("spring.data.redis.sentinel is not supported: want host and port, or cluster.nodes")
	}
	values := map[string]string{"host": "localhost", "port": "6379"}
	for _, key := range []string{"host", "port", "username", "password", "database", "url"} {
		v := at.Get(key).Text()
		if err := checkLiteral(v); err != nil {
			return nil, nil, fmt.Errorf("spring.data.redis.%s %w", key, err)
		}
		values[key] = cmp.Or(v, values[key])
	}
	r = &limitRedis{TLS: at.Get("ssl").IsTrue() || at.Get("ssl", "enabled").IsTrue()}
	if text := values["url"]; text != "" {
		if err := readRedisURL(text, values); err != nil {
			return nil, nil, err
		}
		r.TLS = r.TLS || strings.HasPrefix(text, "rediss:")
	}
	r.Addresses = []string{net.JoinHostPort(values["host"], values["port"])}
	if nodes := at.Get("cluster", "nodes").Words(); len(nodes) > 0 {
		r.Addresses, r.Cluster = nodes, true
	}
	if text := values["database"]; text != "" {
		if r.Database, err = strconv.Atoi(text); err != nil {
			return nil, nil, fmt.Errorf("spring.data.redis.database %q is no number", text)
		}
	}
	if p := at.Get("timeout"); p != nil {
		var d timeout
		if err := d.set(p.Text()); err != nil {
			return nil, nil, fmt.Errorf("spring.data.redis.timeout %w", err)
		}
		if d > 0 { // 0 says nothing, for Spring too
			r.Timeout = min(time.Duration(d), mostRedisTimeout).String()
		}
	}
	secret = map[string]string{}
	for _, key := range []string{"username", "password"} {
		if v := values[key]; v != "" {
			secret[key] = v
		}
	}
	return r, secret, nil
}

// readRedisURL reads redis://user:password@host:port/database, or rediss: with TLS. Its errors do not show it: it may have a password.
func readRedisURL(text string, into map[string]string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" {
		return errors.New("spring.data.redis.url has to begin with redis:// or rediss:// and name a host, as redis://user:password@host:port/database does")
	}
	into["host"], into["port"] = u.Hostname(), cmp.Or(u.Port(), "6379")
	if u.User != nil {
		name, password := u.User.Username(), ""
		if p, both := u.User.Password(); both {
			password = p
		} else {
			name, password = "", name // a password alone, as Spring Boot has it
		}
		into["username"], into["password"] = name, password
	}
	into["database"] = cmp.Or(strings.Trim(u.Path, "/"), into["database"])
	return nil
}
