package springgw

import "testing"

// chinese are the reasons of verdicts as the Chinese page has them. `paifang check` says them in English.
func chinese() map[string]string {
	const (
		onlyDeclaredZH = "只能去声明过的目标：URI 既不在路由元数据 request-uris 中，也不在配置文件的 sources.spring.requestUris 中，回答 403；不是 URI 的回答 400"
		ownCertificate = "网关自己面向服务的证书，写在 paifang.dev/v1 文档的 upstream 上"
		servlets       = "面向 servlet 的网关，其路由是另一种写法"
		shown          = "请求可以用 explain --send 和访问日志看"
	)
	return map[string]string{
		"it is Java code; match a header or the path, or decide in the service": "它是 Java 代码；请按请求头或路径匹配，或者在服务里判断",
		"it is for code in Java; change bodies in the service":                  "它为 Java 代码而设；请在服务里修改正文",
		onlyDeclared:                            onlyDeclaredZH,
		"there is no session here; take it out": "这里没有会话；请删掉它",
		"it relays what a login in Java has got; forward the Authorization header, which is kept as it is":                                         "它转交 Java 里登录得到的令牌；请转发 Authorization 头，它会原样保留",
		"configs and instances, for the filter CircuitBreaker":                                                                                     "configs 和 instances，用于过滤器 CircuitBreaker",
		"timeoutDuration of configs and instances, for the filter CircuitBreaker":                                                                  "configs 和 instances 的 timeoutDuration，用于过滤器 CircuitBreaker",
		"the gateway's address is set by gateway.http in the configuration file":                                                                   "网关的地址由配置文件的 gateway.http 设定",
		"TLS is set by gateway.https in the configuration file; docs/tls.md":                                                                       "TLS 由配置文件的 gateway.https 设定；docs/tls.md",
		"false: nothing of the file is served":                                                                                                     "false：文件中的内容一概不提供服务",
		"a bad route is refused by name, and the others are served; paifang check exits with 1":                                                    "坏路由会被指名拒绝，其他照常服务；paifang check 以 1 退出",
		"time-to-live, size and request.no-cache-strategy, for the filter LocalResponseCache":                                                      "time-to-live、size 和 request.no-cache-strategy，用于过滤器 LocalResponseCache",
		"fields of one hop are never passed on; X-Application-Context, which Spring takes out too, is passed on: RemoveRequestHeader takes it out": "逐跳的字段从不转发；Spring 也会去掉的 X-Application-Context 会转发：用 RemoveRequestHeader 去掉它",
		"who is believed is set by gateway.trusted in the configuration file":                                                                      "相信谁由配置文件的 gateway.trusted 设定",
		"X-Forwarded-* is sent and Forwarded is not":                                                                                               "发送 X-Forwarded-*，不发送 Forwarded",
		"what Spring's global filters do is done by the engine":                                                                                    "Spring 的全局过滤器所做的事由引擎完成",
		"name LocalResponseCache in default-filters":                                                                                               "请在 default-filters 中写 LocalResponseCache",
		"a pattern has all paths of a route, or has no effect on it; allowPrivateNetwork may be false alone":                                       "模式覆盖一条路由的全部路径，否则对它不起作用；allowPrivateNetwork 只能是 false",
		"there are no other handlers":                                                                                                              "没有别的处理器",
		"bodies are passed on as they come":                                                                                                        "正文来什么样就转发什么样",
		"the heads of answers have a fixed bound; docs/strict.md":                                                                                  "应答头有固定的上限；docs/strict.md",
		"of connections of HTTP/1.1; 60 s unless told otherwise":                                                                                   "HTTP/1.1 连接的；没有写明时是 60 秒",
		"of connections of HTTP/1.1":                                                                                                               "HTTP/1.1 连接的",
		"connections to upstreams are kept by use, and a stale one is never seen by a client; limits.* bounds them":                                "到上游的连接按使用情况保留，客户端不会碰到失效的连接；数量由 limits.* 限制",
		"services are connected to directly, and never through a proxy: one that can be reached through it alone is answered 502 or 504; have the network, or a NAT gateway, carry connections out": "直接连接服务，从不经过代理：只能经它到达的服务回答 502 或 504；请让网络或 NAT 网关把连接带出去",
		"closing a connection waits for nothing":          "关闭连接时不等待任何东西",
		"TLS 1.2 and 1.3 with forward secrecy are spoken": "使用带前向保密的 TLS 1.2 和 1.3",
		"see key-store": "见 key-store",
		"a certificate of the gateway's own towards services is set on an upstream of a paifang.dev/v1 document":                                                       ownCertificate,
		"give CAs by tls.upstreamCA in the configuration file; a certificate of the gateway's own towards services is set on an upstream of a paifang.dev/v1 document": "CA 由配置文件的 tls.upstreamCA 给出；" + ownCertificate,
		"CAs for upstreams are given by tls.upstreamCA in the configuration file":                                                                                      "上游的 CA 由配置文件的 tls.upstreamCA 给出",
		"frames are passed on as they come, without a bound or an answer of their own":                                                                                 "帧来什么样就转发什么样，没有自己的上限，也不代为应答",
		"explain --send and the access log show requests":                                                                                                              shown,
		"true: a service without instances is answered 404; while it is not known whether it has any, 503":                                                             "true：没有实例的服务回答 404；还不知道有没有实例时回答 503",
		"/metrics has requests by route without being switched on; docs/metrics.md":                                                                                    "/metrics 按路由列出请求，无需打开；docs/metrics.md",
		"the routes of the gateway for servlets are another dialect":                                                                                                   servlets,
		"give arguments to the filter RequestRateLimiter of a route":                                                                                                   "参数请写在路由的过滤器 RequestRateLimiter 上",
		"expressions of Spring are not evaluated":                                                                                                                      "不计算 Spring 表达式",
		"routes are compiled once":                                           "路由只编译一次",
		"every change is taken in at once":                                   "每个改动立即生效",
		"the header has the number of the upstream's own status":             "响应头里是上游自己的状态码",
		"routes are named for their services, whatever route-id-prefix says": "路由以服务命名，与 route-id-prefix 无关",
		"how much CacheRequestBody takes; a longer body is answered 413":     "CacheRequestBody 接受的长度；更长的正文回答 413",
		"see spring.codec.max-in-memory-size":                                "见 spring.codec.max-in-memory-size",
		"answers to requests with Authorization are not kept":                "不缓存对带 Authorization 的请求的应答",
		managedHeaders:     "Host、Content-Length 等决定报文边界或只属于一跳的头会被拒绝，路由回答 503：设置 Host 请用 SetRequestHostHeader",
		forwardedOfTrusted: "该请求头只在来自 gateway.trusted 时才相信；更靠左的一项（maxTrustedIndex）还要求它右边的都在 gateway.trusted 中，或在 gateway.hops 之内；多个字段当作一个列表读",
		locallyCounted:     "Redis 不在时每个网关各自计数，而 Spring 会全部放行；Spring 默认的 principalNameKeyResolver 按什么计数，须在 sources.spring.keyResolvers 中说明",
		callsAnswered:      "失败的调用以其 gRPC 代码对应的 HTTP 状态回答",
		causeless:          "消息是失败的状态和代码；不说根本原因",
		"variables of a pattern with a port are not known to filters: a route whose filters use one answers 503":                                           "过滤器不知道带端口的模式中的变量：过滤器用到这种变量的路由回答 503",
		"of the properties of Resilience4j a window of time is refused, and classes of exceptions, predicates in Java and pauses that grow have no effect": "Resilience4j 的属性中，按时间的窗口会被拒绝，异常类、Java 谓词和递增的等待不起作用",
		"names of exceptions have no effect: every failure of a connection and every timeout is tried again; tries and pauses have a bound":                "异常的名字不起作用：连接的每种失败和每次超时都会重试；次数和等待有上限",
		"every body is streamed": "所有正文都是流式的",
		"who is believed is set by gateway.trusted in the configuration file, as ranges of addresses":                                                                "相信谁由配置文件的 gateway.trusted 以地址段设定",
		"X-Forwarded-For, -Host, -Port and -Proto are always sent, and X-Forwarded-Prefix unless enabled is false; what comes is believed from gateway.trusted only": "X-Forwarded-For、-Host、-Port 和 -Proto 总是发送，X-Forwarded-Prefix 除非 enabled 为 false 也发送；收到的只在来自 gateway.trusted 时才相信",
		"instances are not cached: what the registry says counts at once":                                                                                            "实例不缓存：注册中心所说立即算数",
		"the same properties for one service":    "同样的属性，只对一个服务",
		"a status outside 200 to 599 is refused": "200 到 599 之外的状态码会被拒绝",
		"weighted goes by weight in the metadata of instances, and where one has none by its weight in the registry, as without weighted": "weighted 依据实例元数据里的 weight，没有它的实例依据注册中心里的权重，与没有 weighted 时相同",
		"services are known before the first request":             "第一个请求之前就已知道各个服务",
		"there is one balancer":                                   "只有一个负载均衡器",
		"an instance counts as well until a probe says otherwise": "探测说不健康之前，实例算健康",
		"instances are pushed":                                    "实例由推送得到",
		"probes go on as long as the instance is used":            "实例使用期间一直探测",
		"what a probe finds counts at once":                       "探测的结果立即算数",
		"instances of the cluster spring.cloud.nacos.discovery.cluster-name come first; weights always count":                        "集群 spring.cloud.nacos.discovery.cluster-name 的实例优先；权重总是算数",
		"a request that no instance has seen is tried on another; what else is tried again is said by the filter Retry":              "没有实例看到过的请求会换一个实例再试；还有什么重试，由过滤器 Retry 说明",
		"a property of Paifang alone: an instance that has registered gets its share of requests little by little, within this time": "Paifang 独有的属性：刚注册的实例在这段时间内逐步得到它的那份请求",
		"/metrics has them":                  "/metrics 里有",
		"the gateway sets the cookie itself": "网关自己设置 cookie",
		"the gateway sets the cookie itself, and its value tells nothing about the instance; the service is in its name, unless that stands under clients.SERVICE": "网关自己设置 cookie，它的值不透露实例的任何信息；名字里有服务，除非它写在 clients.SERVICE 下",
		"every instance is used":                  "使用所有实例",
		"X-Forwarded-* is always sent":            "X-Forwarded-* 总是发送",
		"default: zone of the configuration file": "默认为配置文件的 zone",
		"items with routes are named by sources.spring.nacos in the configuration file":                                                                                 "含有路由的配置项由配置文件的 sources.spring.nacos 指明",
		"registries are named by sources.nacos in the configuration file":                                                                                               "注册中心由配置文件的 sources.nacos 指明",
		"the cluster that comes first with spring.cloud.loadbalancer.nacos.enabled; clusters that are read are named by sources.nacos in the configuration file":        "在 spring.cloud.loadbalancer.nacos.enabled 时优先的集群；读取哪些集群由配置文件的 sources.nacos 指明",
		"a request that a limit refuses is answered 429, or with the filter's status":                                                                                   "被限流拒绝的请求回答 429，或过滤器写明的状态",
		"paifang import makes limits of gateway rules (gw-flow, gw-api-group) in files and, with --nacos, in Nacos; serve reads no rules: limits are filters of routes": "paifang import 把文件中的网关规则（gw-flow、gw-api-group）转成限流，加上 --nacos 时也包括 Nacos 中的；serve 不读规则：限流是路由的过滤器",
		"there is no Sentinel here":           "这里没有 Sentinel",
		"a limit is a filter of its route":    "限流是它那条路由的过滤器",
		"requests do not wait for their turn": "请求不排队等候",
		"the access log has what is refused":  "被拒绝的请求在访问日志里",
		"/metrics has what is refused":        "被拒绝的请求在 /metrics 里",
		"there is no dashboard of Sentinel; /metrics and the console show what is refused":                                       "没有 Sentinel 的控制台；被拒绝的请求见 /metrics 和控制台页面",
		"nothing is imported: name files by sources.routes and items of Nacos by sources.spring.nacos in the configuration file": "不导入任何东西：文件由配置文件的 sources.routes 指明，Nacos 的配置项由 sources.spring.nacos 指明",
		"see spring.data.redis": "见 spring.data.redis",
		"a property of Paifang alone: filters of ours in front of those of every route, as in metadata of one; the locator's routes have them too":                                          "Paifang 独有的属性：放在每条路由的过滤器之前的自有过滤器，写法与路由元数据中的相同；定位器的路由也有",
		"a property of Paifang alone: filters of ours behind those of every route, as in metadata of one; the locator's routes have them too":                                               "Paifang 独有的属性：放在每条路由的过滤器之后的自有过滤器，写法与路由元数据中的相同；定位器的路由也有",
		"where RequestRateLimiter counts: host and port, or cluster.nodes":                                                                                                                  "RequestRateLimiter 在哪里计数：host 和 port，或 cluster.nodes",
		"redis: or rediss:, in place of host, port, username and password; the path is the database":                                                                                        "redis: 或 rediss:，代替 host、port、username 和 password；路径是数据库",
		"certificates are verified by the CAs of the system":                                                                                                                                "证书按系统的 CA 校验",
		"certificates are verified by the CAs of the system, and the gateway shows none":                                                                                                    "证书按系统的 CA 校验，网关不出示证书",
		"want host and port, or cluster.nodes: a route with RequestRateLimiter answers 503":                                                                                                 "要写 host 和 port，或 cluster.nodes：带 RequestRateLimiter 的路由回答 503",
		"of a question, 5 s at most, and 100 ms where it is not set; then the gateway counts for itself":                                                                                    "对 Redis 的一次询问最多用这么久，上限 5 秒，没有写明时 100 毫秒；之后网关自行计数",
		"a question to Redis may take 100 ms; then the gateway counts for itself":                                                                                                           "询问 Redis 最多 100 毫秒；超过后网关自己计数",
		"it is about the client that Spring has":                                                                                                                                            "它是关于 Spring 的客户端的",
		"nothing but limits is kept in Redis":                                                                                                                                               "Redis 里只存限流的计数",
		"routes are read from files, from Nacos and from the actuator, and not from Redis":                                                                                                  "路由来自文件、Nacos 和 actuator，不来自 Redis",
		"the actuator is set by sources.spring.actuator in the configuration file, and always says all; docs/actuator.md":                                                                   "actuator 由配置文件的 sources.spring.actuator 设定，总是给出全部内容；docs/actuator.md",
		"instances are not chosen by the version of an API: a lane goes by a header; docs/gray-release-gateway.md":                                                                          "不按 API 版本选实例：泳道按请求头选；docs/gray-release-gateway.md",
		"for the predicate Version; a request whose version is none is answered 400 by every route":                                                                                         "用于谓词 Version；版本无法识别的请求，每条路由都回答 400",
		"true: a request without a version is answered 400 by every route":                                                                                                                  "true：没有版本的请求，每条路由都回答 400",
		"Spring Cloud Gateway does nothing with it either: write spring.webflux.apiversion":                                                                                                 "Spring Cloud Gateway 也不用它：请写 spring.webflux.apiversion",
		"every version is taken, as in Spring Cloud Gateway":                                                                                                                                "任何版本都接受，与 Spring Cloud Gateway 相同",
		"a filter acts where a route names it":                                                                                                                                              "过滤器在路由写了它的地方起作用",
		"a predicate acts where a route names it":                                                                                                                                           "谓词在路由写了它的地方起作用",
		"Spring takes it from no file either: name a key-resolver in the filter, and say in sources.spring.keyResolvers what principalNameKeyResolver counts by, which is Spring's default": "Spring 也不从文件读取它：请在过滤器中写 key-resolver，并在 sources.spring.keyResolvers 中说明 Spring 默认的 principalNameKeyResolver 按什么计数",
		"Spring takes it from no file either: give arguments of redis-rate-limiter to the filter":                                                                                           "Spring 也不从文件读取它：请把 redis-rate-limiter 的参数写在过滤器上",
		"it is for handlers in Java: a request over the limit is answered with the filter's status-code":                                                                                    "它为 Java 的处理器而设：超限的请求以过滤器的 status-code 回答",
		"Spring takes it from no file either: write enable and disable":                                                                                                                     "Spring 也不从文件读取它：请写 enable 和 disable",
		"for routes that say neither enable, disable nor permissions-policy":                                                                                                                "用于既没有写 enable、disable，也没有写 permissions-policy 的路由",
		"write disable": "请写 disable",
		"write enable":  "请写 enable",
		"it is set by timeouts.upstreamTLS in the configuration file, and is 5 s unless told otherwise":                                                                            "由配置文件的 timeouts.upstreamTLS 设定，默认 5 秒",
		"hosts are compared without the port, as with false":                                                                                                                       "比较主机时不带端口，与 false 相同",
		"false: answers do not tell how much of a limit is left":                                                                                                                   "false：应答不说限额还剩多少",
		"in front of what Path and globalcors match; what is outside of it is 404, and filters see the path with it":                                                               "置于 Path 和 globalcors 所匹配路径之前；其外一律 404，过滤器看到的路径带着它",
		"instances are read from Nacos, from the registry of Paifang and from Kubernetes: lb:// finds nobody that is known to Eureka alone":                                        "实例来自 Nacos、Paifang 的注册中心和 Kubernetes：只登记在 Eureka 的，lb:// 找不到",
		"instances are read from Nacos, from the registry of Paifang and from Kubernetes: lb:// finds nobody that is known to Consul alone":                                        "实例来自 Nacos、Paifang 的注册中心和 Kubernetes：只登记在 Consul 的，lb:// 找不到",
		"instances are read from Nacos, from the registry of Paifang and from Kubernetes: lb:// finds nobody that is known to ZooKeeper alone":                                     "实例来自 Nacos、Paifang 的注册中心和 Kubernetes：只登记在 ZooKeeper 的，lb:// 找不到",
		"name the filter compress in spring.cloud.gateway.paifang-filters; docs/filters-bodies.md":                                                                                 "请在 spring.cloud.gateway.paifang-filters 中写过滤器 compress；docs/filters-bodies.md",
		"the heads of requests have a bound of their own; docs/strict.md":                                                                                                          "请求头有自己的上限；docs/strict.md",
		"requests under way always end within drain of the configuration file":                                                                                                     "进行中的请求总是在配置文件的 drain 时间内结束",
		"who must show a certificate is set by clientAuth of a certificate in a paifang.dev/v1 document; until then nobody must; docs/tls.md":                                      "谁必须出示证书，由 paifang.dev/v1 文档中证书的 clientAuth 设定；在此之前谁都不必；docs/tls.md",
		"write http://host:port as the uri of the route, or register the instances with a registry":                                                                                "请把路由的 uri 写成 http://host:port，或者把实例登记到注册中心",
		"who may ask is not looked at by it, and everybody may: name the filters jwt, basic-auth or external-auth in spring.cloud.gateway.paifang-filters; docs/filters-access.md": "它不决定谁可以请求，谁都可以：请在 spring.cloud.gateway.paifang-filters 中写过滤器 jwt、basic-auth 或 external-auth；docs/filters-access.md",
	}
}

// TestReasonsInChinese: every reason is on the Chinese page in Chinese, and what is not said any more is gone.
func TestReasonsInChinese(t *testing.T) {
	all := chinese()
	said := map[string]bool{"": true}
	for _, v := range Verdicts() {
		if said[v.Why] = true; v.Why != "" && all[v.Why] == "" {
			t.Errorf("%s %s: the reason %q has no Chinese in reasons_test.go", v.Kind, v.Name, v.Why)
		}
	}
	for why := range all {
		if !said[why] {
			t.Errorf("%q is no reason of a verdict: take it out of reasons_test.go", why)
		}
	}
}
