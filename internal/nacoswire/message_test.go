package nacoswire

import (
	"encoding/json"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// JSON as the clients read it: every field by its name, no null where they expect an object or a list.
func TestMessagesGolden(t *testing.T) {
	in := NewInstance("10.0.0.1", 8080)
	in.InstanceID = InstanceID("10.0.0.1", 8080, "", "", "order")
	in.ServiceName = GroupedName("", "order")
	in.ClusterName = DefaultCluster
	const inJSON = `{"instanceId":"10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@order","ip":"10.0.0.1","port":8080,"weight":1,` +
		`"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@order","metadata":{}}`
	const refJSON = `"namespace":"public","serviceName":"order","groupName":"DEFAULT_GROUP"`
	const okJSON = `"resultCode":200,"errorCode":0,"success":true,"requestId":"7"`
	ref := ServiceRef{PublicNamespace, "order", DefaultGroup}
	info := &ServiceInfo{
		Name: "order", GroupName: DefaultGroup, CacheMillis: CacheMillis, Hosts: []Instance{in}, LastRefTime: 1700000000000, Valid: true,
	}
	const infoJSON = `{"name":"order","groupName":"DEFAULT_GROUP","clusters":"","cacheMillis":10000,"hosts":[` + inJSON +
		`],"lastRefTime":1700000000000,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}`
	for _, c := range []struct {
		message any
		want    string
	}{
		{in, inJSON},
		{info, infoJSON},
		{InstanceRequest{Request{RequestID: "7", Module: ModuleNaming}, ref, RegisterInstance, in},
			`{"requestId":"7","module":"naming",` + refJSON + `,"type":"registerInstance","instance":` + inJSON + `}`},
		{BatchInstanceRequest{ServiceRef: ref, Type: BatchRegisterInstance, Instances: []Instance{in}},
			`{` + refJSON + `,"type":"batchRegisterInstance","instances":[` + inJSON + `]}`},
		{ServiceQueryRequest{ServiceRef: ref, Cluster: "a", HealthyOnly: true},
			`{` + refJSON + `,"cluster":"a","healthyOnly":true,"udpPort":0}`},
		{ServiceListRequest{ServiceRef: ref, PageNo: 1, PageSize: 10}, `{` + refJSON + `,"pageNo":1,"pageSize":10}`},
		{SubscribeServiceRequest{ServiceRef: ref, Subscribe: true}, `{` + refJSON + `,"subscribe":true,"clusters":""}`},
		{NotifySubscriberRequest{Request{RequestID: "7"}, info}, `{"requestId":"7","serviceInfo":` + infoJSON + `}`},
		{ConnectionSetupRequest{ClientVersion: "v", AbilityTable: map[string]bool{}},
			`{"clientVersion":"v","tenant":"","labels":null,"abilityTable":{}}`},
		{SetupAckRequest{AbilityTable: map[string]bool{"fuzzyWatch": false}}, `{"abilityTable":{"fuzzyWatch":false}}`},
		{ConnectResetRequest{ServerIP: "a", ServerPort: "1", ConnectionID: "c"}, `{"serverIp":"a","serverPort":"1","connectionId":"c"}`},
		{ServerCheckResponse{OK("7"), "c", true}, `{` + okJSON + `,"connectionId":"c","supportAbilityNegotiation":true}`},
		{InstanceResponse{OK("7"), RegisterInstance}, `{` + okJSON + `,"type":"registerInstance"}`},
		{ServiceResponse{OK("7"), info}, `{` + okJSON + `,"serviceInfo":` + infoJSON + `}`},
		{ServiceListResponse{OK("7"), 1, []string{"order"}}, `{` + okJSON + `,"count":1,"serviceNames":["order"]}`},
		{Fail("7", ErrorUnregistered, "m"), `{"resultCode":500,"errorCode":301,"success":false,"message":"m","requestId":"7"}`},
		{BeatAnswer{5000, BeatOK, true}, `{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}`},
		{ServiceNames{1, []string{"order"}}, `{"count":1,"doms":["order"]}`},
	} {
		got, err := json.Marshal(c.message)
		if err != nil || string(got) != c.want {
			t.Errorf("%T is\n%s (%v)\nwant\n%s", c.message, got, err, c.want)
		}
		back := reflect.New(reflect.TypeOf(c.message))
		if err := json.Unmarshal(got, back.Interface()); err != nil {
			t.Errorf("%T: read back: %v", c.message, err)
		} else if again, _ := json.Marshal(back.Interface()); string(again) != string(got) {
			t.Errorf("%T: read back as %s", c.message, again)
		}
	}
}

func TestInstanceDefaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"ip":"1.2.3.4","port":1}`, `{"ip":"1.2.3.4","port":1,"weight":1,"healthy":true,"enabled":true,"ephemeral":true,"metadata":{}}`},
		{`{"ip":"1.2.3.4","port":1,"weight":0,"healthy":false,"enabled":false,"ephemeral":false,"metadata":null,"unknown":[]}`,
			`{"ip":"1.2.3.4","port":1,"weight":0,"healthy":false,"enabled":false,"ephemeral":false,"metadata":{}}`},
		{`{"metadata":{"n":1,"b":true,"s":"x","z":null}}`,
			`{"ip":"","port":0,"weight":1,"healthy":true,"enabled":true,"ephemeral":true,"metadata":{"b":"true","n":"1","s":"x"}}`},
	} {
		var in Instance
		if err := json.Unmarshal([]byte(c.text), &in); err != nil {
			t.Error(err)
		}
		if got, _ := json.Marshal(in); string(got) != c.want {
			t.Errorf("%s is\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
	var in Instance
	if err := json.Unmarshal([]byte(`{"metadata":{"o":{}}}`), &in); err == nil {
		t.Error("an object as metadata value: no error")
	}
}

// values writes a form as a client sends it.
func values(f Form) url.Values {
	q := url.Values{
		"namespaceId": {NonEmpty(f.Namespace, PublicNamespace)},
		"groupName":   {NonEmpty(f.Group, DefaultGroup)},
		"serviceName": {GroupedName(f.Group, f.Service)},
		"ip":          {f.Instance.IP},
		"port":        {strconv.Itoa(f.Instance.Port)},
		"clusterName": {NonEmpty(f.Instance.ClusterName, DefaultCluster)},
		"weight":      {strconv.FormatFloat(f.Instance.Weight, 'f', -1, 64)},
		"enabled":     {strconv.FormatBool(f.Instance.Enabled)},
		"healthy":     {strconv.FormatBool(f.Instance.Healthy)},
		"ephemeral":   {strconv.FormatBool(f.Instance.Ephemeral)},
	}
	if len(f.Instance.Metadata) > 0 {
		b, _ := json.Marshal(f.Instance.Metadata) // a map of strings cannot fail
		q.Set("metadata", string(b))
	}
	return q
}

func TestForm(t *testing.T) {
	q, _ := url.ParseQuery("serviceName=g1@@order&groupName=g2&ip=10.0.0.1&port=80&enable=false&weight=0.5&metadata=" +
		url.QueryEscape(`{"version":"v2"}`) + "&ephemeral=false&namespaceId=dev")
	f, err := ParseForm(q)
	if err != nil {
		t.Fatal(err)
	}
	want := Form{"dev", "g1", "order", Instance{
		IP: "10.0.0.1", Port: 80, Weight: 0.5, Healthy: true, ClusterName: DefaultCluster, Metadata: Metadata{"version": "v2"},
	}, Given{Weight: true, Enabled: true, Metadata: true}}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got  %+v\nwant %+v", f, want)
	}
	back, err := ParseForm(values(f))
	want.Given = Given{true, true, true, true}
	if err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("read back %+v, %v", back, err)
	}
	if m, err := ParseMetadata("a=1,b=x=y"); err != nil || !reflect.DeepEqual(m, Metadata{"a": "1", "b": "x=y"}) {
		t.Errorf("metadata %v, %v", m, err)
	}
	for bad, names := range map[string]string{
		"ip=1.1.1.1&port=1":                                "serviceName",
		"serviceName=a&port=1":                             "ip",
		"serviceName=a&ip=1.1.1.1":                         "port",
		"serviceName=a&ip=1.1.1.1&port=x":                  "port",
		"serviceName=a&ip=1.1.1.1&port=1&weight=heavy":     "weight",
		"serviceName=a&ip=1.1.1.1&port=1&enabled=perhaps":  "enabled",
		"serviceName=a&ip=1.1.1.1&port=1&metadata=%7Ba":    "metadata",
		"serviceName=a&ip=1.1.1.1&port=1&metadata=nothing": "metadata",
	} {
		q, _ := url.ParseQuery(bad)
		if _, err := ParseForm(q); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%s: error %v does not name %s", bad, err, names)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range [][4]string{
		{"", "order", "DEFAULT_GROUP", "order"},
		{"g", "order", "g", "order"},
		{"g", "h@@order", "h", "order"},
		{"g", "@@order", "", "order"},
	} {
		if g, s := SplitName(c[0], c[1]); g != c[2] || s != c[3] {
			t.Errorf("SplitName(%q, %q) = %q, %q", c[0], c[1], g, s)
		}
	}
}

func TestBeat(t *testing.T) {
	b, err := ParseBeat(`{"cluster":"DEFAULT","ip":"10.0.0.1","metadata":{"a":"b"},"port":8080,"scheduled":true,"serviceName":"DEFAULT_GROUP@@o"}`)
	want := Beat{IP: "10.0.0.1", Port: 8080, Weight: 1, ServiceName: "DEFAULT_GROUP@@o", Cluster: "DEFAULT", Metadata: Metadata{"a": "b"}, Scheduled: true}
	if err != nil || !reflect.DeepEqual(b, want) {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := ParseBeat("ip=1"); err == nil {
		t.Error("no error")
	}
}

func FuzzForm(f *testing.F) {
	f.Add("serviceName=g@@o&ip=1.2.3.4&port=80&weight=1&metadata=a%3Db")
	f.Add("serviceName=o&ip=::1&port=1&metadata=%7B%22a%22%3A1%7D&enabled=on")
	f.Fuzz(func(t *testing.T, s string) {
		q, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		form, err := ParseForm(q)
		if err != nil || math.IsNaN(form.Instance.Weight) {
			return
		}
		back, err := ParseForm(values(form))
		if err != nil {
			t.Fatalf("%+v is not read back: %v", form, err)
		}
		back.Given = form.Given
		if len(form.Instance.Metadata) == 0 {
			form.Instance.Metadata, back.Instance.Metadata = nil, nil
		}
		// Go's JSON encoder replaces bytes that are no UTF-8, and names with a second separator are refused later.
		if strings.ToValidUTF8(s, "") == s && !strings.Contains(form.Service, "@") && !strings.Contains(form.Group, "@") &&
			!strings.Contains(s, "%") && !reflect.DeepEqual(back, form) {
			t.Fatalf("%+v became %+v", form, back)
		}
	})
}

func FuzzInstanceJSON(f *testing.F) {
	f.Add(`{"ip":"1.2.3.4","port":1,"metadata":{"a":1}}`)
	f.Fuzz(func(t *testing.T, s string) {
		var in Instance
		if json.Unmarshal([]byte(s), &in) != nil {
			return
		}
		if _, err := json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	})
}
