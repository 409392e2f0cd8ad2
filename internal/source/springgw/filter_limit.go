package springgw

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// defaultResolver is the bean that Spring counts by where none is named.
const defaultResolver = "principalNameKeyResolver"

// addressResolvers are what beans are called everywhere that count by the client's address. Names of others do not tell.
func addressResolvers() []string {
	return []string{"ipkeyresolver", "remoteaddrkeyresolver", "remoteaddresskeyresolver", "hostaddrkeyresolver", "addresskeyresolver", "clientipkeyresolver"}
}

type limitKey struct {
	By      string `json:"by"`
	Header  string `json:"header,omitempty"`
	Text    string `json:"text,omitempty"`
	Without string `json:"without,omitempty"`
	Status  int    `json:"withoutStatus,omitempty"`
	Only    string `json:"only,omitempty"`
}

// limitNames are the names of headers that tell of a limit; "" = Spring's.
type limitNames struct {
	Remaining string `json:"remaining,omitempty"`
	Cost      string `json:"cost,omitempty"`
	Burst     string `json:"burst,omitempty"`
	Limit     string `json:"limit,omitempty"`
}

type limitConfig struct {
	Requests int         `json:"requests"`
	Per      string      `json:"per,omitempty"`
	Burst    int         `json:"burst"`
	Cost     int         `json:"cost,omitempty"`
	Key      limitKey    `json:"key"`
	Status   int         `json:"status,omitempty"`
	Tell     string      `json:"tell,omitempty"`
	Names    limitNames  `json:"names,omitzero"`
	Redis    *limitRedis `json:"redis,omitempty"`
	Group    string      `json:"group,omitempty"`
}

// rateLimiter reads the one that counts in Redis, which is Spring's own, and that of Bucket4j.
func (e *effect) rateLimiter(p *part) error {
	if len(p.words) > 0 {
		return errors.New("has no short form: want name and args")
	}
	values, _, err := p.read(nil, func(v string) error {
		if beanOf(v) != "" {
			return nil
		}
		return checkLiteral(v)
	})
	if err != nil {
		return err
	}
	capacity := 1
	c := limitConfig{Key: limitKey{Without: "refuse"}, Tell: "spring"}
	if err := c.usual(p.around); err != nil {
		return err
	}
	resolver := defaultResolver
	var bucket *bucketArguments
	for _, name := range sortedKeys(values) {
		var err error
		switch v := values[name]; name {
		case "redisratelimiter.replenishrate":
			err = countInto(&c.Requests)(v)
		case "redisratelimiter.burstcapacity":
			err = countInto(&capacity)(v)
		case "redisratelimiter.requestedtokens":
			err = countInto(&c.Cost)(v)
		case "redisratelimiter.includeheaders":
			c.Tell = "spring"
			if strings.EqualFold(v, "false") {
				c.Tell = ""
			}
		case "ratelimiter":
			if bean := beanOf(v); bean != "redisRateLimiter" && bean != "bucket4jRateLimiter" {
				err = errors.New("is Java code: want redis-rate-limiter.replenishRate or bucket4j-rate-limiter.capacity and their siblings")
			}
		case "keyresolver":
			if resolver = beanOf(v); resolver == "" {
				err = errors.New(`is no bean: want "#{@name}"`)
			}
		case "denyemptykey":
			c.Key.Without = "refuse"
			if strings.EqualFold(v, "false") {
				c.Key.Without = "pass"
			}
		case "emptykeystatus", "emptykeystatuscode":
			c.Key.Status, err = statusOf(v)
		case "statuscode":
			c.Status, err = statusOf(v)
		case "throwonlimit":
			if !strings.EqualFold(v, "false") {
				err = errors.New("is for handlers in Java: a request over the limit is answered with status-code")
			}
		default:
			argument, ok := strings.CutPrefix(name, "bucket4jratelimiter.")
			if !ok {
				err = errors.New("is no argument of the limiters in Redis and of Bucket4j, and others are Java code")
				break
			}
			if bucket == nil {
				bucket = &bucketArguments{cost: 1}
			}
			err = bucket.set(argument, v)
		}
		if err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	if c.Tell == "" {
		c.Names = limitNames{}
	}
	if c.Key.Without == "pass" {
		c.Key.Status = 0
	}
	switch {
	case bucket != nil && c.Requests > 0:
		return errors.New("has arguments of redis-rate-limiter and of bucket4j-rate-limiter: give those of one of them")
	case bucket != nil:
		if err := bucket.limit(&c); err != nil {
			return err
		}
	case c.Requests == 0:
		return errors.New("redis-rate-limiter.replenishRate is missing")
	default:
		c.Burst = capacity - 1
	}
	if err := e.resolve(p, resolver, &c.Key); err != nil {
		return err
	}
	if bucket != nil {
		return e.inBucket(p, c)
	}
	return e.inRedis(p, c)
}

// usual is what the properties of the filter say for routes that do not say it themselves.
func (c *limitConfig) usual(around *setting) (err error) {
	const filter = "request-rate-limiter"
	if p := around.gateway("filter", filter, "deny-empty-key"); p != nil && !p.IsTrue() {
		c.Key.Without = "pass"
	}
	if p := around.gateway("filter", filter, "empty-key-status-code"); p != nil {
		if c.Key.Status, err = statusOf(p.Text()); err != nil {
			return fmt.Errorf("filter.%s.empty-key-status-code: %w", filter, err)
		}
	}
	const limiter = "redis-rate-limiter"
	if p := around.gateway(limiter, "include-headers"); p != nil && !p.IsTrue() {
		c.Tell = ""
	}
	c.Names = limitNames{around.gateway(limiter, "remaining-header").Text(), around.gateway(limiter, "requested-tokens-header").Text(),
		around.gateway(limiter, "burst-capacity-header").Text(), around.gateway(limiter, "replenish-rate-header").Text()}
	return nil
}

// beanOf is the name in "#{@name}"; "" where v is of another form.
func beanOf(v string) string {
	name, ok := strings.CutPrefix(v, "#{@")
	name, closed := strings.CutSuffix(name, "}")
	if !ok || !closed {
		return ""
	}
	return strings.TrimSpace(name)
}

// resolve finds what a bean counts by.
func (e *effect) resolve(p *part, bean string, k *limitKey) error {
	text := ""
	if p.around != nil {
		text = p.around.resolvers[bean]
	}
	if text == "" && slices.Contains(addressResolvers(), bootconfig.Relaxed(bean)) {
		text = "{client}"
		e.remark(p, model.CodeIgnored, model.Info, "%s is taken to count by the client's address, as its name says; sources.spring.keyResolvers can say otherwise", bean)
	}
	header, isHeader := strings.CutPrefix(strings.TrimSuffix(text, "}"), "{header.")
	switch {
	case text == "":
		return fmt.Errorf(`what the bean %s counts by is Java code: say it in sources.spring.keyResolvers, as {"%s": "{client}"} or with "{header.X-Api-Key}", "{query.user}", "{user}"`, bean, bean)
	case text == "{client}":
		k.By = "address"
	case text == "{user}":
		k.By = "user"
	case isHeader && !strings.ContainsAny(header, "{}"):
		k.By, k.Header = "header", header
	default:
		k.By, k.Text = "text", text
	}
	if k.By == "address" {
		k.Without, k.Status = "", 0
	}
	return nil
}

// inRedis counts where the application keeps its Redis, together with all gateways that do.
func (e *effect) inRedis(p *part, c limitConfig) error {
	at := p.around.get("spring", "data", "redis")
	if at == nil {
		at = p.around.get("spring", "redis") // before Spring Boot 3
	}
	if at == nil {
		e.remark(p, model.CodeUnsupported, model.Info, "spring.data.redis is not set: each gateway counts for itself")
		return e.emit("rate-limit", c)
	}
	r, secret, err := readRedis(at)
	if err != nil {
		return err
	}
	c.Redis = r
	if err := e.emit("rate-limit", c); err != nil {
		return err
	}
	if len(secret) > 0 {
		e.filters[len(e.filters)-1].Data = model.NewSecretData(secret)
	}
	return nil
}

// codecMemory is what Spring holds of a body in memory, in bytes, unless it is told otherwise.
const codecMemory = 256 << 10

// cacheBody has the body read whole before the service is asked. What reads it there is Java code, and the service gets it as it is.
func (e *effect) cacheBody(p *part) error {
	limit := int64(codecMemory)
	for _, path := range [][]string{{"spring", "codec", "max-in-memory-size"}, {"spring", "http", "codecs", "max-in-memory-size"}} {
		if text := p.around.get(path...).Text(); text != "" {
			n, err := dataSize(text)
			if err != nil {
				return fmt.Errorf("%s: %w", strings.Join(path, "."), err)
			}
			limit = n
		}
	}
	return e.emit("buffer-request", struct {
		Limit int64 `json:"limit"`
	}{limit})
}
