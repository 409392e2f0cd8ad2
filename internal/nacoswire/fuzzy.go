package nacoswire

import (
	"fmt"
	"strings"
)

// Types of messages by which clients since 3.0 follow which services, and which configurations, there are.
const (
	TypeFuzzyWatch        = "NamingFuzzyWatchRequest"
	TypeFuzzyWatchAnswer  = "NamingFuzzyWatchResponse"
	TypeFuzzySync         = "NamingFuzzyWatchSyncRequest"
	TypeFuzzyChange       = "NamingFuzzyWatchChangeNotifyRequest"
	TypeFuzzySyncAnswer   = "NamingFuzzyWatchSyncResponse"
	TypeFuzzyChangeAnswer = "NamingFuzzyWatchChangeNotifyResponse"

	// The same about configurations:
	TypeConfigFuzzyWatch        = "ConfigFuzzyWatchRequest"
	TypeConfigFuzzyWatchAnswer  = "ConfigFuzzyWatchResponse"
	TypeConfigFuzzySync         = "ConfigFuzzyWatchSyncRequest"
	TypeConfigFuzzyChange       = "ConfigFuzzyWatchChangeNotifyRequest"
	TypeConfigFuzzySyncAnswer   = "ConfigFuzzyWatchSyncResponse"
	TypeConfigFuzzyChangeAnswer = "ConfigFuzzyWatchChangeNotifyResponse"
)

// What a fuzzy watch says of services and of itself (Constants of the Java sources).
const (
	FuzzyWatch  = "WATCH"
	FuzzyCancel = "CANCEL_WATCH"

	FuzzyInit   = "FUZZY_WATCH_INIT_NOTIFY"        // what is there, to a client that begins
	FuzzyFinish = "FINISH_FUZZY_WATCH_INIT_NOTIFY" // and that these were all
	FuzzyDiff   = "FUZZY_WATCH_DIFF_SYNC_NOTIFY"   // the difference, to one that connects again
	FuzzyChange = "FUZZY_WATCH_RESOURCE_CHANGED"

	ServiceAdded   = "ADD_SERVICE"
	ServiceDeleted = "DELETE_SERVICE"
	ConfigAdded    = "ADD_CONFIG"
	ConfigDeleted  = "DELETE_CONFIG"

	ErrorFuzzyPatterns = 50310 // too many patterns
	ErrorFuzzyMatches  = 50311 // too many match; the first of them are told
)

// FuzzyWatchRequest begins or ends a watch, of services or of configurations; of the latter without Namespace.
type FuzzyWatchRequest struct {
	Request
	Namespace    string   `json:"namespace"`
	Pattern      string   `json:"groupKeyPattern"` // see FuzzyPattern
	Received     []string `json:"receivedGroupKeys"`
	WatchType    string   `json:"watchType"`
	Initializing bool     `json:"initializing"`
}

// FuzzyService is a service that a watch tells of.
type FuzzyService struct {
	ServiceKey  string `json:"serviceKey"` // see ServiceKey
	ChangedType string `json:"changedType"`
}

// FuzzySyncRequest tells of several services.
type FuzzySyncRequest struct {
	Request
	SyncType     string         `json:"syncType"`
	Pattern      string         `json:"groupKeyPattern"`
	Contexts     []FuzzyService `json:"contexts"`
	TotalBatch   int            `json:"totalBatch"`
	CurrentBatch int            `json:"currentBatch"`
}

// FuzzyChangeRequest tells that a service came or went.
type FuzzyChangeRequest struct {
	Request
	FuzzyService
	SyncType string `json:"syncType"`
}

// FuzzyConfig is a configuration that a watch tells of.
type FuzzyConfig struct {
	ConfigKey   string `json:"groupKey"` // see ConfigKey
	ChangedType string `json:"changedType"`
}

// ConfigFuzzySyncRequest tells of several configurations.
type ConfigFuzzySyncRequest struct {
	Request
	SyncType     string        `json:"syncType"`
	Pattern      string        `json:"groupKeyPattern"`
	Contexts     []FuzzyConfig `json:"contexts"`
	TotalBatch   int           `json:"totalBatch"`
	CurrentBatch int           `json:"currentBatch"`
}

// ConfigFuzzyChangeRequest tells that a configuration came or went.
type ConfigFuzzyChangeRequest struct {
	Request
	ConfigKey  string `json:"groupKey"`
	ChangeType string `json:"changeType"` // so it is called here
}

// keySeparator stands in the key of a configuration. Names have none in them.
const keySeparator = "+"

// ConfigKey is a configuration in a fuzzy watch: "order.yaml+DEFAULT_GROUP+public".
func ConfigKey(namespace, group, dataID string) string {
	return dataID + keySeparator + group + keySeparator + namespace
}

// ParseConfigKey reads what ConfigKey writes. Servers before 3.0 leave the public namespace out.
func ParseConfigKey(s string) (namespace, group, dataID string, ok bool) {
	p := strings.Split(s, keySeparator)
	switch len(p) {
	case 2:
		return PublicNamespace, p[1], p[0], true
	case 3:
		return NonEmpty(p[2], PublicNamespace), p[1], p[0], true
	}
	return "", "", "", false
}

// ServiceKey is a service in a fuzzy watch: "public@@DEFAULT_GROUP@@order".
func ServiceKey(namespace, group, service string) string {
	return namespace + groupSeparator + group + groupSeparator + service
}

// ParseServiceKey reads what ServiceKey writes.
func ParseServiceKey(s string) (namespace, group, service string, ok bool) {
	p := strings.Split(s, groupSeparator)
	if len(p) != 3 {
		return "", "", "", false
	}
	return p[0], p[1], p[2], true
}

// FuzzyPattern says what a watch is about: "NAMESPACE>>GROUP>>NAME", the name being that of a service or the data ID of a configuration.
// Group and name may begin and end with * for any text.
type FuzzyPattern struct{ Namespace, Group, Name string }

const patternSeparator = ">>"

// ParseFuzzyPattern reads a pattern.
func ParseFuzzyPattern(s string) (FuzzyPattern, error) {
	p := strings.Split(s, patternSeparator)
	if len(p) != 3 || p[1] == "" || p[2] == "" || len(s) > 1024 {
		return FuzzyPattern{}, fmt.Errorf("nacoswire: fuzzy watch pattern %.128q: want NAMESPACE>>GROUP>>NAME", s)
	}
	return FuzzyPattern{NonEmpty(p[0], PublicNamespace), p[1], p[2]}, nil
}

// String is the pattern as it is sent.
func (p FuzzyPattern) String() string {
	return p.Namespace + patternSeparator + p.Group + patternSeparator + p.Name
}

// Match tells whether a watch is about a service or a configuration.
func (p FuzzyPattern) Match(namespace, group, name string) bool {
	return p.Namespace == namespace && matchPart(p.Group, group) && matchPart(p.Name, name)
}

func matchPart(pattern, text string) bool {
	rest, before := strings.CutPrefix(pattern, "*")
	rest, after := strings.CutSuffix(rest, "*")
	switch {
	case before && (after || rest == ""):
		return strings.Contains(text, rest)
	case before:
		return strings.HasSuffix(text, rest)
	case after:
		return strings.HasPrefix(text, rest)
	}
	return pattern == text
}
