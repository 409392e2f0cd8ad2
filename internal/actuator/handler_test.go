package actuator

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source/springgw"
)

const secret = "0123456789abcdef"

// asked is a handler over a store, with routes in a file besides.
type asked struct {
	t     *testing.T
	store *Store
	h     http.Handler
}

func newAsked(t *testing.T) *asked {
	a := &asked{t: t, store: Open(t.TempDir())}
	spring := springgw.Config{}
	a.h = Handler(Config{Store: a.store, Spring: spring, Token: func() (string, error) { return secret, nil },
		Check: func(f model.FilterSpec) (model.Code, error) {
			if strings.Contains(string(f.Config), "refused") {
				return model.CodeInvalid, errors.New("the kind refuses it")
			}
			return "", nil
		},
		Definitions: func() []springgw.Definition {
			posted, _ := springgw.Judge(spring, string(print(a.store.entries)), func(model.FilterSpec) (model.Code, error) { return "", nil })
			for i := range posted {
				posted[i].File = a.store.Path()
			}
			return append([]springgw.Definition{{ID: "file", URI: "http://127.0.0.1", File: "application.yml", Line: 7, Order: 2,
				Predicates: []springgw.Part{{Name: "Path", Args: []springgw.Argument{{Name: "_genkey_0", Value: "/f"}}}}}}, posted...)
		},
		Located: func() []springgw.Definition {
			return []springgw.Definition{{ID: springgw.LocatedPrefix + "order", URI: "lb://order", Predicates: []springgw.Part{{Name: "Path", Args: []springgw.Argument{{Name: "_genkey_0", Value: "/order/**"}}}}}}
		},
	})
	return a
}

func (a *asked) ask(verb, path, body string, header ...string) *httptest.ResponseRecorder {
	a.t.Helper()
	r := httptest.NewRequest(verb, Prefix+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, r)
	return w
}

// TestAnswers: the answers of Spring Cloud Gateway 4.3, call by call.
func TestAnswers(t *testing.T) {
	a := newAsked(t)
	const order = `{"uri":"lb://order","predicates":["Path=/order/**",{"name":"Method","args":{"_genkey_0":"GET","_genkey_1":"POST"}}],"filters":["StripPrefix=1","AddRequestHeader=X-A, b"],"metadata":{"owner":"shop"},"order":1}`
	for _, c := range []struct {
		verb, path, body string
		status           int
		has              string // of the body, or a header
	}{
		{"POST", "/routes/order%20one", order, 201, ""},
		{"GET", "/routes/order%20one", "", 200, `{"predicate":"(Paths: [/order/**], match trailing slash: true && Methods: [GET, POST])","route_id":"order one","filters":["[[StripPrefix parts = 1], order = 1]","[[AddRequestHeader X-A = 'b'], order = 2]"],"uri":"lb://order","order":1,"metadata":{"owner":"shop"}}`},
		{"GET", "/routes/file", "", 200, `"uri":"http://127.0.0.1:80"`},
		{"GET", "/routes/ReactiveCompositeDiscoveryClient_order", "", 200, `Paths: [/order/**]`},
		{"GET", "/routes/none", "", 404, `there is no route`},
		{"GET", "/routes/order%20one/combinedfilters", "", 200, `"[[StripPrefix parts = 1], order = 1]":1`},
		{"GET", "/routedefinitions", "", 200, `{"id":"order one","predicates":[{"name":"Path","args":{"_genkey_0":"/order/**"}},{"name":"Method","args":{"_genkey_0":"GET","_genkey_1":"POST"}}],"filters":[{"name":"StripPrefix","args":{"_genkey_0":"1"}},{"name":"AddRequestHeader","args":{"_genkey_0":"X-A","_genkey_1":"b"}}],"uri":"lb://order","metadata":{"owner":"shop"},"order":1}`},
		{"GET", "/globalfilters", "", 200, `RouteToRequestUrlFilter":10000`},
		{"GET", "/routefilters", "", 200, `"[StripPrefixGatewayFilterFactory]":null`},
		{"GET", "/routepredicates", "", 200, `"[PathRoutePredicateFactory]":null`},
		{"POST", "/routes", `[{"id":"a","uri":"lb://a","predicates":["Path=/a"]},{"id":"b","uri":"http://b.test","predicates":["Path=/b"]}]`, 200, ""},
		{"GET", "/routes/b", "", 200, `"uri":"http://b.test:80"`},
		{"POST", "/routes", `[{"uri":"lb://a","predicates":["Path=/a"]}]`, 400, `Saving multiple routes require specifying the ID for every route`},
		{"POST", "/routes", `[{"id":"c","uri":"lb://a","predicates":["Path=/a"]},{"id":"c","uri":"lb://a","predicates":["Path=/a"]}]`, 400, `twice`},
		{"POST", "/routes", `[{"id":"c","uri":"lb://a","predicates":["Path=/a"]},{"id":"d","uri":"lb://a","predicates":["Nothing=/a"]}]`, 400, `"route":"d","field":"predicates[0]"`},
		{"GET", "/routes/c", "", 404, ""}, // none of a list is saved where one is wrong
		{"POST", "/routes/c", `{"uri":"lb://a"}`, 400, `"field":"predicates"`},
		{"POST", "/routes/c", `{"predicates":["Path=/a"]}`, 400, `"field":"uri"`},
		{"POST", "/routes/c", `{"uri":"a","predicates":["Path=/a"]}`, 400, `"field":"uri"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/a"],"filters":["StripPrefix=1","Stripprefix=x"]}`, 400, `"field":"filters[1]"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/a"],"filters":["AddRequestHeader=A,refused"]}`, 400, `the kind refuses it`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/${HOME}"]}`, 400, `"field":"predicates[0]"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/a"],"order":"first"}`, 400, `"field":"order"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/a"],"filter":["StripPrefix=1"]}`, 400, `"message":"Invalid RouteDefinition c: filter: there is no such field: did you mean filters?","errors":[{"route":"c","field":"filter"`},
		{"POST", "/routes/c", `{"URI":"lb://a","predicates":["Path=/a"]}`, 400, `"field":"URI","defaultMessage":"there is no such field: did you mean uri?"`},
		{"POST", "/routes/c", `{"uri":"lb://a","uri":"lb://b","predicates":["Path=/a"]}`, 400, `"field":"uri","defaultMessage":"it is there twice"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":[{"name":"Path","args":{"a":"/a"}},{"name":"Path","args":{"a":"/a","a":"/b"}}]}`, 400, `"field":"predicates[1].args.a"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/a"],"filters":[{"name":"StripPrefix","arg":{"parts":2}}]}`, 400, `"field":"filters[0].arg","defaultMessage":"there is no such field: did you mean args?"`},
		{"POST", "/routes/c", `{"uri":"lb://a","predicates":["Path=/a"],"metadata":{"response-timeout":"x"}}`, 400, `"field":"metadata.response-timeout"`},
		{"POST", "/routes", `[{"id":"c","uri":"lb://a","predicates":["Path=/a"]},{"id":"d","uri":"lb://a","predicates":["Path=/a"],"order":1,"order":2}]`, 400, `"route":"d","field":"order"`},
		{"POST", "/routes/c", `{"uri":`, 400, `Failed to read HTTP message`},
		{"POST", "/routes/c", `[]`, 400, `Failed to read HTTP message`},
		{"POST", "/routes/c", strings.Repeat(" ", maxBody+1), 413, ``},
		{"POST", "/routes/file", order, 409, `application.yml:7`},
		{"DELETE", "/routes/file", "", 404, ``},
		{"DELETE", "/routes/none", "", 404, ``},
		{"DELETE", "/routes/a", "", 200, ``},
		{"DELETE", "/routes/a", "", 404, ``},
		{"POST", "/refresh", "", 200, ``},
		{"PUT", "/routes/a", order, 405, ``},
		{"GET", "/nothing", "", 404, ``},
	} {
		w := a.ask(c.verb, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s %s %.60s: %d %s", c.verb, c.path, c.body, w.Code, w.Body)
		}
		if c.status == 400 {
			var body struct {
				Timestamp, Path, Error, Message string
				Status                          int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Status != 400 || body.Path != Prefix+c.path || body.Message == "" || body.Error != "Bad Request" || body.Timestamp == "" {
				t.Errorf("%s %s: %+v, %v", c.verb, c.path, body, err)
			}
		}
		if c.status == 201 && w.Header().Get("Location") != "/routes/order%20one" {
			t.Errorf("Location %q", w.Header().Get("Location"))
		}
	}
	if w := a.ask("POST", "/routes/x", order, "Content-Type", "text/plain"); w.Code != 415 {
		t.Errorf("text: %d", w.Code)
	}
	if got := ids(a.store); got != "order one b" {
		t.Errorf("kept: %q", got)
	}
}

// TestMetadataAsWritten: what is listed of metadata, posted back, is what it was. Secrets of filters of ours are not listed.
func TestMetadataAsWritten(t *testing.T) {
	a := newAsked(t)
	const metadata = `{"n":1,"b":true,"text":"1","list":["a","b"],"none":[],"nothing":null,"deep":{"x":{"y":[1,{"z":2.5}]}},"cors":{"allowedOrigins":["https://o.test"],"allowedMethods":["PUT"]}}`
	body := `{"uri":"lb://m","predicates":["Path=/m"],"metadata":` + strings.TrimSuffix(metadata, "}") + `,"paifang-filters":[{"kind":"basic-auth","data":{"auth":"secret"}}]}}`
	if w := a.ask("POST", "/routes/m", body); w.Code != 201 {
		t.Fatal(w.Code, w.Body)
	}
	for range 2 {
		w := a.ask("GET", "/routes/m", "")
		if !strings.Contains(w.Body.String(), `"metadata":`+metadata+"}") {
			t.Error(w.Body)
		}
		var all []json.RawMessage
		w = a.ask("GET", "/routedefinitions", "")
		if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || !strings.Contains(w.Body.String(), `"metadata":`+metadata+",") || !strings.Contains(w.Body.String(), `"metadata":{},`) {
			t.Fatal(err, w.Body)
		}
		for _, d := range all {
			if strings.Contains(string(d), `"id":"m"`) {
				body = string(d)
			}
		}
		if w := a.ask("POST", "/routes/m", body); w.Code != 201 {
			t.Fatal(w.Code, w.Body)
		}
	}
}

// TestToken: without it nothing is answered, and where it cannot be read nobody is let in.
func TestToken(t *testing.T) {
	a := newAsked(t)
	for _, given := range []string{"", "Bearer", "Bearer ", "Bearer 0123456789abcdeF", "Basic " + secret, secret, "Bearer " + secret + "0"} {
		for _, call := range []string{"GET /routes", "POST /refresh", "DELETE /routes/a", "GET /nothing"} {
			verb, path, _ := strings.Cut(call, " ")
			w := a.ask(verb, path, "", "Authorization", given)
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" || strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s with %q: %d %s", call, given, w.Code, w.Body)
			}
		}
	}
	if w := a.ask("GET", "/routes", "", "Authorization", "bearer "+secret); w.Code != 200 {
		t.Errorf("the scheme is in any case: %d", w.Code)
	}
	for _, c := range []struct {
		token string
		err   error
	}{{"", nil}, {secret, errors.New("the file is gone")}} {
		a.h = Handler(Config{Store: a.store, Token: func() (string, error) { return c.token, c.err }})
		if w := a.ask("GET", "/routepredicates", ""); w.Code != 401 {
			t.Errorf("%q, %v: %d", c.token, c.err, w.Code)
		}
	}
}
