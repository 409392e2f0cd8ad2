package annotation_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// TestSettingsPage compares the tables of keys and flags on their page with those in the code.
func TestSettingsPage(t *testing.T) {
	keys, flags := map[string]int{}, map[string]int{}
	for _, c := range casesIn(t, "keys") {
		keys[c.annotation]++
	}
	for _, c := range casesIn(t, "flags") {
		flags[c.annotation]++
	}
	named := map[string]map[string]string{"keys": {}, "flags": {}}
	for dir, links := range named {
		for name, function := range elsewhere(dir) {
			links[name] = fmt.Sprintf("[%s](../%s)", function, testFile(t, elsewhereDir, function))
		}
	}
	for _, l := range languages() {
		page := strings.Replace(l.page, "annotations", "ingress-nginx-settings", 1)
		comparePage(t, page, [2]string{"keys", l.keyTable(keys, named["keys"])}, [2]string{"flags", l.flagTable(flags, named["flags"])})
	}
}

// between puts a table into its place on a page.
func between(t *testing.T, page, text, name, table string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok1 := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no place for the table of %s", page, name)
	}
	return before + begin + table + "\n" + end + after
}

func (l *language) keyTable(shown map[string]int, named map[string]string) string {
	var b strings.Builder
	group := ""
	for _, k := range installation.Keys() {
		if k.Group != group {
			group = k.Group
			fmt.Fprintf(&b, "\n### %s\n\n%s\n|---|---|---|---|\n", orSame(l.settings, group), l.keyHead)
		}
		l.settingRow(&b, k.Name, k.Default, k.Verdict, k.Note, "keys", shown, named)
	}
	return b.String()
}

func (l *language) flagTable(shown map[string]int, named map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n|---|---|---|---|\n", l.flagHead)
	for _, f := range installation.Table() {
		l.settingRow(&b, "--"+f.Name, f.Default, f.Verdict, f.Note, "flags", shown, named)
	}
	return b.String()
}

func (l *language) settingRow(b *strings.Builder, name, def string, v annotation.Verdict, note, dir string, shown map[string]int, named map[string]string) {
	note = orSame(l.settings, orSame(l.notes, note))
	if link := named[strings.TrimPrefix(name, "--")]; link != "" {
		if note != "" {
			note += "; "
		}
		note += link
	}
	if n := shown[strings.TrimPrefix(name, "--")]; n > 0 {
		if note != "" {
			note += "; "
		}
		note += fmt.Sprintf("[%d %s](../internal/source/kubernetes/annotation/testdata/%s/%s.txt)", n, l.cases, dir, strings.TrimPrefix(name, "--"))
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, cmp.Or(def, "–"), l.verdicts[v], strings.ReplaceAll(note, "|", `\|`))
}

// settingsZH are the subjects and notes of keys and flags in Chinese. Those that name a place in the configuration file are made
// from that name.
func settingsZH() map[string]string {
	out := map[string]string{
		"Redirects and HSTS": "重定向与 HSTS", "Connections of clients": "客户端连接", "Endpoints": "端点", "Bodies and buffers": "正文与缓冲", "Fields and errors": "头与错误",
		"Limits": "限制", "Authentication of everybody": "全局认证", "Addresses of clients": "客户端地址", "TLS towards clients": "面向客户端的 TLS", "TCP and UDP services": "TCP 与 UDP 服务",
		"What Ingresses may ask": "Ingress 可以要求什么", "Compression": "压缩", "Logs": "日志", "Traces and WAF": "追踪与 WAF", "nginx itself": "nginx 自身", "Text of nginx": "nginx 原文",
		"there is no nginx to be told":                                                           "没有 nginx 可以接受它",
		"names of Services of type ExternalName are asked for both families":                     "ExternalName 类型 Service 的名字，两种地址族都会查询",
		"it is for each endpoint; 512 unless it says something else":                             "是每个端点的数量；没有写明时是 512",
		"no Server field of the gateway's own is sent, so none has a version":                    "网关不发送自己的 Server 头，也就没有版本",
		"the Server field of an endpoint reaches the client: name it in hide-headers":            "端点的 Server 头会到达客户端：请写进 hide-headers",
		"a request-headers filter in paifang.dev/filters sets X-Original-Uri where it is wanted": "需要的地方用 paifang.dev/filters 里的 request-headers 过滤器设置 X-Original-Uri",
		"it is what limit-rps and limit-rpm count by too, as there; of nginx' variables it knows those of auth-signin but remote_user: requests are counted before anybody logs in":               "limit-rps 与 limit-rpm 也按它计数，与原来相同；nginx 变量中认识的与 auth-signin 相同，但没有 remote_user：计数在登录之前",
		"a Route of paifang.dev/v1 with a condition on the field User-Agent answers 403":                                                                                                          "用 paifang.dev/v1 的 Route，带对 User-Agent 头的条件，回答 403",
		"a Route of paifang.dev/v1 with a condition on the field Referer answers 403":                                                                                                             "用 paifang.dev/v1 的 Route，带对 Referer 头的条件，回答 403",
		"who sends the PROXY protocol is believed about the connection, and who is in ingress.trusted about the request":                                                                          "发送 PROXY 协议者所说的连接信息可信，ingress.trusted 里的地址所说的请求信息可信",
		"X25519, its hybrid with ML-KEM and the NIST curves are offered":                                                                                                                          "提供 X25519、它与 ML-KEM 的混合，以及 NIST 曲线",
		"text of nginx is never executed: add-headers, proxy-set-headers and annotations say most of what it is used for":                                                                         "nginx 原文从不执行：它的大部分用途可由 add-headers、proxy-set-headers 和注解表达",
		"set zone in the configuration file, and the annotation service.kubernetes.io/topology-mode on Services":                                                                                  "在配置文件里设置 `zone`，并在 Service 上写注解 service.kubernetes.io/topology-mode",
		"the status stays when the last replica goes: an address that comes back is worse than one that waits":                                                                                    "最后一个副本离开时状态保留：消失又回来的地址比等待的地址更糟",
		"set metrics.nginx in the configuration file: requests are then shown under the names of ingress-nginx too":                                                                               "在配置文件里设置 `metrics.nginx`：请求同时以 ingress-nginx 的名字显示",
		"metrics.series in the configuration file bounds how many there are":                                                                                                                      "配置文件的 metrics.series 限制其数量",
		"of the variables of nginx it may have $request_method, $host, $uri and $service_name, which is the name of our upstream; where it is not given, a span has the name of method and route": "nginx 变量里可用 $request_method、$host、$uri 和 $service_name（我们的上游的名字）；没有给出时，span 以方法和路由命名",
		"no file of nginx' module is read: the keys below say what would stand in it":                                                                                                             "不读 nginx 模块的文件：下面的键说出其中的内容",
		"brotli compresses at level 4": "brotli 按级别 4 压缩",
		"answers of every status but 206 are compressed, not those of 200, 403 and 404 alone": "除 206 外，各种状态的响应都会压缩，而不只是 200、403 和 404",
		"User-Agents are not told apart: who takes no gzip does not ask for it":               "不按 User-Agent 区分：不接受 gzip 的客户端不会要求它",
		"addresses are not looked up in a database of places":                                 "不在地理数据库里查找地址",
		"ingress-nginx itself has given Jaeger's own protocol up":                             "ingress-nginx 自己也已放弃 Jaeger 的专有协议",
		"server names are read where TLS is ended: there is no second port behind it":         "在终止 TLS 的地方读取服务器名：后面没有第二个端口",
		"logs go to stderr":                             "日志写到 stderr",
		"values are parsed and none is pasted anywhere": "值会被解析，从不粘贴到任何地方",
		"where forwarded headers are believed, X-Forwarded-Proto says whether the client asked over TLS; in ingress-nginx the connection does alone": "信任转发头时，由 X-Forwarded-Proto 决定客户端是否使用 TLS；在 ingress-nginx 中只看连接",
		"sessions are resumed by tickets, which need no cache":                                                                        "会话由票据恢复，不需要缓存",
		"the bounds of histograms are those of docs/metrics.md":                                                                       "直方图的边界见 docs/metrics.md",
		"nothing listens on such a port: nginx is not there to be asked":                                                              "没有这样的端口：没有 nginx 可问",
		"write a kubeconfig and name it in sources.kubernetes.kubeconfig":                                                             "写一个 kubeconfig，并填入 sources.kubernetes.kubeconfig",
		"where it is not given, or 0, each endpoint is tried once before a connection is given up":                                    "没有给出或为 0 时，放弃一个连接之前，每个端点各试一次",
		"the try that is under way ends then too; where it is not given, or 0, the tries of a connection take 10 s together at most":  "那时进行中的尝试也会结束；没有给出或为 0 时，一个连接的各次尝试合计最多 10 秒",
		"where it is false the access log has an ID all the same":                                                                     "为 false 时，访问日志里仍有 ID",
		"a name is known if there is a certificate for it, and not if there is a rule; default-ssl-certificate is one for every name": "有证书的名字才算已知，有规则不算；default-ssl-certificate 是所有名字的证书",
		"early data can be replayed and is not taken":                                                                                 "早期数据可被重放，不接受",
		"no cipher with finite-field Diffie-Hellman is spoken":                                                                        "不使用有限域 Diffie-Hellman 的套件",
		"changes take effect as they come: nothing is reloaded":                                                                       "变更随到随生效：没有 reload",
		"the status is written when it changes":                                                                                       "状态在变化时写入",
		"Ingresses without a host are served":                                                                                         "没有主机的 Ingress 照样服务",
		"paifang version tells it":                                                                                                    "paifang version 会给出",
		"chains are served as they are in their Secrets":                                                                              "证书链按 Secret 里的原样提供",
		"probes are answered at once":                                                                                                 "探针立即得到回答",
		"probes ask /healthz and /readyz":                                                                                             "探针访问 /healthz 和 /readyz",
		"nothing is listed twice while a watch stands":                                                                                "watch 有效期间不会重复 list",
		"it belongs to the annotation custom-headers":                                                                                 "属于注解 custom-headers",
		"answers have the type that the endpoint says":                                                                                "响应的类型由端点决定",
		"bodies stream": "正文按流转发",
		"suites without forward secrecy or authenticated encryption, and those with finite-field Diffie-Hellman, are left out of the list":                    "没有前向保密或认证加密的套件，以及用有限域 Diffie-Hellman 的套件，会从列表里去掉",
		"a line that is too long is answered 431, or 414 where it is the first; a head may have 64 KiB at most":                                               "过长的行回答 431，第一行回答 414；请求头最多 64 KiB",
		"large-client-header-buffers bounds heads of HTTP/2 too, as with nginx since 1.19.7":                                                                  "large-client-header-buffers 也限制 HTTP/2 的请求头，与 nginx 自 1.19.7 起一样",
		"keep-alive-requests bounds connections of HTTP/2 too, as with nginx since 1.19.7":                                                                    "keep-alive-requests 也限制 HTTP/2 的连接，与 nginx 自 1.19.7 起一样",
		"where it is false, names with an underscore are passed on; those that RFC 9110 does not allow are answered 400 in any case":                          "为 false 时，带下划线的名字会转发；RFC 9110 不允许的名字总是回答 400",
		"sessions are resumed by tickets, which need no cache; where it is false, and ssl-session-tickets is not true, none is":                               "会话由票据恢复，不需要缓存；为 false 且 ssl-session-tickets 不为 true 时不恢复",
		"sessions are resumed by tickets, whose keys change every 12 h, unless ssl-session-cache is false and this is not true":                               "会话由票据恢复，密钥每 12 小时更换，除非 ssl-session-cache 为 false 且它不为 true",
		"so many connections of clients at each address of a listener, and no more than limits.connections together; those to endpoints are not counted":      "监听器每个地址上的客户端连接数，合计不超过 limits.connections；到端点的连接不计",
		"requests under way have so long when the process ends, or an address of a listener goes; terminationGracePeriodSeconds of our pods must be above it": "进程结束或监听器的地址消失时，进行中的请求有这么长时间；我们的 pod 的 terminationGracePeriodSeconds 要大于它",
		"connections of addresses that are not in proxy-real-ip-cidr begin without a header":                                                                  "不在 proxy-real-ip-cidr 里的地址，其连接不带这个头",
		"only what addresses in proxy-real-ip-cidr say is believed, of the protocol and the host too: that is every IPv4 address where it is not set":         "只相信 proxy-real-ip-cidr 里的地址所说的，协议和主机也一样：没有设置时是所有 IPv4 地址",
		"records grow with the answer":                                       "记录随响应增大",
		"X-Forwarded-Host and Forwarded are read, no others":                 "只读取 X-Forwarded-Host 和 Forwarded",
		"every value of an annotation is validated":                          "注解的每个值都会校验",
		"TLS towards endpoints is set for each Ingress by itself":            "到端点的 TLS 由每个 Ingress 各自设置",
		"what the process says goes to stderr":                               "进程的消息写到 stderr",
		"hosts that no rule names are counted together":                      "没有规则的主机合并计数",
		"metrics are counted where requests are served, in no batches":       "指标在处理请求处计数，不分批",
		"log.level is of the whole process":                                  "log.level 针对整个进程",
		"an Ingress never reads Secrets and ConfigMaps of another namespace": "Ingress 从不读取其他命名空间的 Secret 和 ConfigMap",
		"where it is given, a path that its type does not allow is refused, and other paths of its Ingress are served; where it is not, such a path is served with a warning, as ingress-nginx goes on with an Ingress that it has":                                      "给出该键时，类型不允许的路径会被拒绝，该 Ingress 的其他路径照常服务；未给出时，这样的路径照常服务并给出警告，正如 ingress-nginx 对已有的 Ingress 继续服务",
		"the paths of an Ingress with an annotation above it answer 503, where ingress-nginx leaves the Ingress out; where it is not given there is no bound, since text of nginx is never executed":                                                                     "Ingress 有超过它的注解时，其路径回答 503，而 ingress-nginx 会略去这个 Ingress；没有给出时没有上限，因为 nginx 原文从不执行",
		"the paths of an Ingress with such an annotation answer 503, where ingress-nginx leaves the Ingress out":                                                                                                                                                         "Ingress 有这样的注解时，其路径回答 503，而 ingress-nginx 会略去这个 Ingress",
		"every request has its line in the access log, and no sub-request has one":                                                                                                                                                                                       "访问日志里每个请求一行，子请求没有",
		"logs are not sent to syslog: what collects stdout does it":                                                                                                                                                                                                      "日志不发往 syslog：由收集 stdout 的程序完成",
		"a response is asked for when its certificate comes and renewed at half of its time, and never sent after its end, where ingress-nginx asks at a handshake and sends it for three days; responders at loopback, link-local and metadata addresses are not asked": "证书到来时就去取响应，过了有效期的一半时更新，到期后绝不再发送；ingress-nginx 在握手时去取，并发送三天；不询问环回、链路本地和元数据地址上的响应者",
		"the webhook judges an Ingress among all others, in milliseconds":                                                                                                                                                                                                "webhook 在毫秒内把 Ingress 与其他所有对象一起判断",
		"replicas always agree on the one that writes: one alone does so at once":                                                                                                                                                                                        "副本总会商定由谁写入：只有一个副本时立即确定",
	}
	for _, k := range installation.Keys() {
		placeZH(out, k.Note)
	}
	for _, f := range installation.Table() {
		placeZH(out, f.Note)
	}
	return out
}

// placeZH is the Chinese of "set X in the configuration file".
func placeZH(out map[string]string, note string) {
	const begin, end = "set ", " in the configuration file"
	text, listener := strings.CutPrefix(note, "it belongs to a listener: ")
	place, is := strings.CutPrefix(text, begin)
	place, whole := strings.CutSuffix(place, end)
	if !is || !whole || strings.Contains(place, " ") {
		return
	}
	out[note] = "在配置文件里设置 `" + place + "`"
	if listener {
		out[note] = "属于监听器：" + out[note]
	}
}
