package annotation_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
)

var update = flag.Bool("update", false, "write the tables of docs/annotations.md, its neighbours and their translations")

const docs = "../../../../docs/"

// language is what the tables of a page are written in.
type language struct {
	index           int // of this language in what is there in both
	page, head      string
	statementHead   string
	scopes          map[annotation.Scope]string
	verdicts        map[annotation.Verdict]string
	cases           string
	families, notes map[string]string // in place of the table's own; what is missing stays as it is
	// Of the page about the ConfigMap and the command line.
	keyHead, flagHead string
	settings          map[string]string
}

func languages() []language {
	return []language{
		{page: "annotations.md", statementHead: "| of | what ingress-nginx does | cases |", head: "| annotation | acts on | verdict | note |", cases: "cases",
			keyHead: "| key | default there | verdict | note |", flagHead: "| flag | default there | verdict | note |",
			scopes:   map[annotation.Scope]string{annotation.WholeIngress: "Ingress", annotation.OwnPaths: "paths"},
			verdicts: map[annotation.Verdict]string{annotation.Supported: "supported", annotation.Differs: "differs", annotation.Ignored: "ignored", annotation.Refused: "refused"}},
		{index: 1, page: "annotations.zh-CN.md", statementHead: "| 属于 | ingress-nginx 的行为 | 用例 |", head: "| 注解 | 作用于 | 结论 | 说明 |", cases: "用例", families: familiesZH(), notes: notesZH(),
			keyHead: "| 键 | 原默认值 | 结论 | 说明 |", flagHead: "| 参数 | 原默认值 | 结论 | 说明 |", settings: settingsZH(),
			scopes:   map[annotation.Scope]string{annotation.WholeIngress: "Ingress", annotation.OwnPaths: "路径"},
			verdicts: map[annotation.Verdict]string{annotation.Supported: "支持", annotation.Differs: "有差异", annotation.Ignored: "忽略", annotation.Refused: "拒绝"}},
	}
}

func familiesZH() map[string]string {
	return map[string]string{
		"Rewrite and paths": "改写与路径", "Redirects": "重定向", "Backends and balancing": "后端与负载均衡", "Affinity": "会话保持", "Canary": "灰度（canary）",
		"Authentication": "认证", "Client certificates": "客户端证书", "TLS": "TLS", "CORS": "CORS", "Limits and addresses": "限制与地址",
		"Timeouts and further tries": "超时与重试", "Bodies and buffers": "正文与缓冲", "Errors and headers": "错误与头", "Logs, traces, WAF": "日志、追踪、WAF",
		"FastCGI and text of nginx": "FastCGI 与 nginx 原文",
	}
}

func notesZH() map[string]string {
	const streams = "正文按流转发：除非过滤器要求，请求和响应都不在缓冲区或文件里等待"
	return map[string]string{
		"both address lists and authentication must let a request pass, whatever it says":                                     "地址列表和认证都必须放行，不论它怎么写",
		"write an external-auth filter with headers into paifang.dev/filters":                                                 "在 paifang.dev/filters 里写带 headers 的 external-auth 过滤器",
		"connections to the service are kept in any case":                                                                     "到该服务的连接总会保持复用",
		"connections to the service are kept for a minute":                                                                    "到该服务的连接保持一分钟",
		"the service always gets the request's X-Request-ID":                                                                  "该服务总会得到请求的 X-Request-ID",
		"text of nginx is never executed: write an external-auth filter with headers into paifang.dev/filters":                "nginx 原文从不执行：在 paifang.dev/filters 里写带 headers 的 external-auth 过滤器",
		"one intermediate certificate is allowed, as where it is not given":                                                   "允许一张中间证书，与没有给出时相同",
		"certificate errors are answered 400":                                                                                 "证书错误回答 400",
		"TLS 1.2 and 1.3 are spoken, with ciphers that keep secrecy forward; tls.ciphers of the listener narrows them":        "使用 TLS 1.2 和 1.3，套件都有前向保密；监听器的 tls.ciphers 可以缩小范围",
		"TLS 1.2 and 1.3 are spoken, with ciphers that keep secrecy forward, the strongest first that both have":              "使用 TLS 1.2 和 1.3，套件都有前向保密，优先用双方都有的最强者",
		"chains are verified whatever their length":                                                                           "证书链不论多长都会校验",
		"TLS 1.2 and 1.3 are spoken, with ciphers that keep secrecy forward":                                                  "使用 TLS 1.2 和 1.3，套件都有前向保密",
		"answers are sent as fast as the client takes them":                                                                   "客户端收多快，响应就发多快",
		"text of nginx is never executed":                                                                                     "nginx 原文从不执行",
		"there is no WAF: external-auth in paifang.dev/filters asks a service of yours":                                       "没有 WAF：paifang.dev/filters 里的 external-auth 可以询问你自己的服务",
		"every request has its line in the access log: log.access in the configuration file is of the whole process":          "访问日志里每个请求一行：配置文件的 log.access 针对整个进程",
		"paifang explain shows what a request becomes":                                                                        "paifang explain 显示请求会变成什么",
		"a response-headers filter in paifang.dev/filters adds fields, and add-headers of the ConfigMap does for all":         "paifang.dev/filters 里的 response-headers 过滤器添加头，ConfigMap 的 add-headers 对所有 Ingress 添加",
		"answers with a status of custom-http-errors are always replaced: an Ingress with a list of its own has no other":     "状态在 custom-http-errors 里的响应总会被替换：Ingress 有自己的列表时只用它",
		"a rewrite-response-header filter in paifang.dev/filters changes Set-Cookie":                                          "paifang.dev/filters 里的 rewrite-response-header 过滤器改写 Set-Cookie",
		"a rewrite-location filter in paifang.dev/filters changes Location":                                                   "paifang.dev/filters 里的 rewrite-location 过滤器改写 Location",
		"it is not supported: write a rule for each host":                                                                     "尚不支持：请为每个主机写一条规则",
		"redirects to https say no port: it is 443":                                                                           "到 https 的重定向不带端口：就是 443",
		"requests are hashed to one endpoint, not to a subset of them":                                                        "请求按哈希去往一个端点，而不是一个子集",
		"the browsers that it is for are gone: SameSite=None is sent to all":                                                  "它所针对的浏览器已不存在：SameSite=None 发给所有客户端",
		"browsers have given up server push, and so has nginx":                                                                "浏览器已放弃服务器推送，nginx 也是",
		"8 endpoints are asked at most, where it says more or 0":                                                              "值更大或为 0 时，最多询问 8 个端点",
		"without proxy-ssl-secret, where ingress-nginx verifies nobody, endpoints are verified against the CAs of the system": "没有 proxy-ssl-secret 时 ingress-nginx 不校验；这里用系统的 CA 校验端点",
		"without proxy-ssl-secret, where ingress-nginx sends no server name, it is sent too":                                  "没有 proxy-ssl-secret 时 ingress-nginx 不发送服务器名；这里同样发送",
		"expressions are RE2, which matches in linear time, with look-aheads behind fixed text: one with other look-around, or with back-references, is an error, and every path that it could mean answers 503": "表达式是线性时间匹配的 RE2，并支持固定文本之后的先行断言：含其他环视或反向引用的是错误，它可能匹配的每条路径都回答 503",
		"the value of the cookie has a form of its own: a cookie that ingress-nginx has set binds nobody, and is replaced":                                                                                       "Cookie 的值有自己的形式：ingress-nginx 设置的 Cookie 不绑定任何端点，会被替换",
		"where paths are expressions and it is not given, the path is /: a cookie for the text of an expression would never be sent":                                                                             "路径是表达式而未给出它时，Cookie 路径是 /：按表达式原文设置的 Cookie 永远不会被发送",
		"of nginx' variables it knows fastcgi_script_name, uri, document_uri, request_uri, query_string, args, request_method, host and server_name":                                                             "nginx 变量中只认识 fastcgi_script_name、uri、document_uri、request_uri、query_string、args、request_method、host、server_name",
		"where many requests fail at once, further tries of those that an endpoint may have seen are 3 at a time, or 20 % of what is in flight":                                                                  "同时失败的请求较多时，对端点可能已收到的请求，同一时刻最多重试 3 个，或在途请求的 20 %",
		"a Secret that cannot be read makes the paths answer 503, where ingress-nginx answers 403; a revocation list of a part of the certificates, or of changes, is one that cannot be read":                   "读不到 Secret 时路径回答 503，而 ingress-nginx 回答 403；只含部分证书或只含变更的吊销列表视为读不到",
		"of a service that is asked over TLS the certificate is verified, and one at a link-local address, or in a cluster at a loopback address, is not asked":                                                  "通过 TLS 询问的服务会校验证书；不询问链路本地地址的服务，在集群中也不询问回环地址的服务",
		"of nginx' variables it knows request_uri, uri, host, http_host, remote_addr, binary_remote_addr, and those that begin with http_, cookie_ and arg_":                                                     "nginx 变量中只认识 request_uri、uri、host、http_host、remote_addr、binary_remote_addr，以及以 http_、cookie_、arg_ 开头的",
		"of nginx' variables it knows host, http_host, namespace, ingress_name, service_name and service_port":                                                                                                   "nginx 变量中只认识 host、http_host、namespace、ingress_name、service_name、service_port",
		"patterns are RE2, which matches in linear time: one with look-around or back-references counts as none":                                                                                                 "模式是线性时间匹配的 RE2：含环视或反向引用的当作无效",
		"with digest, failed tries are not counted (limit-rpm bounds them), what a client signs must have its query, and auth-realm must be given":                                                               "使用 digest 时不计失败次数（由 limit-rpm 限制），客户端签名的地址必须包含查询，且必须给出 auth-realm",
		"where it is not given the name is that of upstream-vhost, or the endpoint's own, and not upstream_balancer":                                                                                             "未给出时，名字是 upstream-vhost 的，或端点自己的，而不是 upstream_balancer",
		"the head of an answer may have 64 KiB":                                      "响应头最大 64 KiB",
		"bodies stream meanwhile, and of one with more than 16 MiB there is no copy": "正文仍按流转发；超过 16 MiB 的正文没有副本",
		"requests never wait for a target: copies that it does not take in time are dropped; of one over TLS the certificate is verified, and one at a link-local address, or in a cluster at a loopback address, is sent nothing": "请求从不等待目标：它来不及接收的副本会被丢弃；目标使用 TLS 时校验证书；不向链路本地地址发送，在集群中也不向回环地址发送",
		"a body of this size or less, and any of 64 KiB or less, is read whole before an endpoint is asked: above 64 KiB in a file; a larger one streams":                                                                          "不超过此大小（以及任何不超过 64 KiB）的正文会在询问端点之前读完：超过 64 KiB 的放在文件里；更大的按流转发",
		"endpoints are spoken to in HTTP/1.1, or in HTTP/2 where backend-protocol says so":                                                                                                                                         "对端点使用 HTTP/1.1；backend-protocol 要求时使用 HTTP/2",
		"connections to endpoints are the engine's own matter: they are kept, and upgraded where a client asks":                                                                                                                    "到端点的连接由引擎自己管理：保持复用，客户端要求时升级",
		"bodies stream: neither requests nor answers wait in buffers or files unless a filter asks for them":                                                                                                                       streams,
	}
}

// TestPage compares the table of verdicts, and the statements on a page of their own, with those in the code.
func TestPage(t *testing.T) {
	shown := map[string]int{}
	for _, c := range cases(t) {
		shown[c.annotation]++
	}
	all, at := statements(t), casesByName(t)
	for _, l := range languages() {
		comparePage(t, l.page, [2]string{"table", l.table(shown)})
		comparePage(t, strings.Replace(l.page, "annotations", "annotations-statements", 1),
			[2]string{"statements", l.statementTables(all, at, func(dir, function string) string { return testFile(t, dir, function) })})
	}
}

// comparePage compares tables on a page, each known by the name of its place, with what they are in the code; -update writes them.
func comparePage(t *testing.T, page string, tables ...[2]string) {
	t.Helper()
	text, err := os.ReadFile(docs + page)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for _, table := range tables {
		want = between(t, page, want, table[0], table[1])
	}
	switch {
	case want == string(text):
	case *update:
		if err := os.WriteFile(docs+page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/%s tells of other verdicts than the code: run go test ./internal/source/kubernetes/annotation -run Page -update", page)
	}
}

// table is all rows, family by family.
func (l *language) table(shown map[string]int) string {
	var b strings.Builder
	family := ""
	for _, a := range annotation.Table() {
		if a.Family != family {
			family = a.Family
			fmt.Fprintf(&b, "\n### %s\n\n%s\n|---|---|---|---|\n", orSame(l.families, family), l.head)
		}
		name := "`" + a.Name + "`"
		if a.Alias != "" {
			name += ", `" + a.Alias + "`"
		}
		note := orSame(l.notes, a.Note)
		if n := shown[a.Name]; n > 0 {
			if note != "" {
				note += "; "
			}
			note += fmt.Sprintf("[%d %s](../internal/source/kubernetes/annotation/testdata/cases/%s.txt)", n, l.cases, a.Name)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, l.scopes[a.Scope], l.verdicts[a.Verdict], strings.ReplaceAll(note, "|", `\|`))
	}
	return b.String()
}

func orSame(m map[string]string, text string) string {
	if t, ok := m[text]; ok {
		return t
	}
	return text
}
