package nacoswire

import (
	"encoding/json"
	"reflect"
	"testing"
)

// What a message reads by itself is what encoding/json reads, and what that refuses it does not take.
func agrees[M any](t *testing.T, body []byte) (taken bool) {
	t.Helper()
	var got, want M
	taken = any(&got).(scanned).scan(body)
	if !taken {
		return false
	}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Errorf("%s: taken, though %v", body, err)
	} else if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
	}
	return true
}

var usualBodies = []string{
	`{}`,
	` {"requestId" : "7", "headers":{"a":"b"},"module":"naming","namespace":"public","serviceName":"order","groupName":"G","type":"registerInstance","instance":{"ip":"10.0.0.1","port":80}}`,
	`{"instance":{"instanceId":"x","ip":"::1","port":8080,"weight":0.5,"healthy":false,"enabled":false,"ephemeral":false,"clusterName":"c","serviceName":"s","metadata":{"a":"1","b":null},"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":-1,"ipDeleteTimeout":3,"instanceIdGenerator":"simple"},"other":[1,{"a":[]},"x",true,null,-0.5]}`,
	`{"instance":null,"requestId":null,"headers":null,"tenant":"t","groupKeyPattern":"a>>b>>c"}`,
	`{"instance":{"metadata":{}, "weight":null, "x":null},"headers":{"a":null}}`,
}

func TestScan(t *testing.T) {
	for _, body := range usualBodies {
		if !agrees[InstanceRequest](t, []byte(body)) || !agrees[Head](t, []byte(body)) {
			t.Errorf("not taken: %s", body)
		}
	}
	for _, body := range []string{
		``, `[]`, `{"a":1`, `{"a":1}x`, `{"a":01}`, `{"a":+1}`, `{"a":1.}`, `{"a":1e3}`, `{"requestId":"\u0041"}`, `{"requestId":"ü"}`, `{"requestID":"7"}`, `{"requestId":7}`,
		`{"instance":{"IP":"1"}}`, `{"instance":{"port":1.5}}`, `{"instance":{"port":99999999999999999999}}`, `{"instance":[]}`, `{"instance":{"metadata":{"a":1}}}`,
		`{"a":nul}`, `{"a":tru}`, `{"a":}`, `{,}`, `{"a":1,}`, "{\"a\":\"\n\"}", `{"a":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}`,
	} {
		agrees[InstanceRequest](t, []byte(body))
		agrees[Head](t, []byte(body))
	}
	// What is not read so is read by encoding/json, from the beginning.
	p := &Payload{Type: TypeInstance, Body: []byte(`{"type":"a","instance":{"ip":"1","metadata":{"a":1}}}`)}
	if q, err := Decode[InstanceRequest](p); err != nil || q.Type != "a" || q.Instance.Metadata["a"] != "1" || q.Instance.Weight != 1 {
		t.Errorf("%+v %v", q, err)
	}
}

func FuzzScan(f *testing.F) {
	for _, body := range usualBodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		agrees[InstanceRequest](t, body)
		agrees[Head](t, body)
	})
}
