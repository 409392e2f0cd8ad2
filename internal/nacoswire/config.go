package nacoswire

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Types of messages about configurations.
const (
	TypeConfigPublish       = "ConfigPublishRequest"
	TypeConfigQuery         = "ConfigQueryRequest"
	TypeConfigRemove        = "ConfigRemoveRequest"
	TypeConfigListen        = "ConfigBatchListenRequest"
	TypeConfigChange        = "ConfigChangeNotifyRequest"
	TypeConfigPublishAnswer = "ConfigPublishResponse"
	TypeConfigQueryAnswer   = "ConfigQueryResponse"
	TypeConfigRemoveAnswer  = "ConfigRemoveResponse"
	TypeConfigListenAnswer  = "ConfigChangeBatchListenResponse"
	TypeConfigChangeAnswer  = "ConfigChangeNotifyResponse"
)

// ModuleConfig is Request.Module of everything about configurations.
const ModuleConfig = "config"

// Error codes of a ConfigQueryResponse.
const (
	ErrorConfigUnknown  = 300
	ErrorConfigConflict = 400
)

// ConfigRef names a configuration in a request. The tenant is its namespace, empty for the public one.
type ConfigRef struct {
	DataID string `json:"dataId"`
	Group  string `json:"group"`
	Tenant string `json:"tenant"`
}

// ConfigPublishRequest sets a configuration.
type ConfigPublishRequest struct {
	Request
	ConfigRef
	Content  string            `json:"content"`
	CASMD5   string            `json:"casMd5,omitempty"` // what the present one must have; empty = whatever there is
	Addition map[string]string `json:"additionMap,omitempty"`
}

// ConfigQueryRequest asks for a configuration, ConfigRemoveRequest takes it away.
type ConfigQueryRequest struct {
	Request
	ConfigRef
	Tag string `json:"tag,omitempty"`
}

// ConfigQueryResponse is a configuration. LastModified is in milliseconds since 1970.
type ConfigQueryResponse struct {
	Response
	Content      string `json:"content,omitempty"`
	MD5          string `json:"md5,omitempty"`
	ContentType  string `json:"contentType,omitempty"`
	LastModified int64  `json:"lastModified"`
	EncryptedKey string `json:"encryptedDataKey,omitempty"`
	Tag          string `json:"tag,omitempty"`
	Beta         bool   `json:"beta"`
}

// ConfigListenRequest begins or ends listening to configurations.
type ConfigListenRequest struct {
	Request
	Listen   bool         `json:"listen"`
	Contexts []ConfigSeen `json:"configListenContexts"`
}

// ConfigSeen is a configuration with the MD5 of what the client has; empty = nothing.
type ConfigSeen struct {
	ConfigRef
	MD5 string `json:"md5"`
}

// ConfigListenResponse names the configurations of which the client has not the present content.
type ConfigListenResponse struct {
	Response
	Changed []ConfigRef `json:"changedConfigs"`
}

// ConfigChangeRequest tells a client that a configuration that it listens to has changed.
type ConfigChangeRequest struct {
	Request
	ConfigRef
}

// Bytes between the parts of a listening client's list.
const (
	wordSeparator = "\x02"
	lineSeparator = "\x01"
)

// maxListening bounds the configurations of one long poll.
const maxListening = 10_000

// ParseListening reads the parameter Listening-Configs of a long poll: dataId, group, MD5 and, unless it is the public one,
// namespace of each configuration.
func ParseListening(s string) ([]ConfigSeen, error) {
	var out []ConfigSeen
	for line := range strings.SplitSeq(s, lineSeparator) {
		if line == "" {
			continue
		}
		f := strings.Split(line, wordSeparator)
		if len(f) < 3 || len(f) > 4 || f[0] == "" {
			return nil, fmt.Errorf("nacoswire: Listening-Configs: %.128q: want dataId, group, md5 and tenant", line)
		}
		one := ConfigSeen{ConfigRef: ConfigRef{DataID: f[0], Group: f[1]}, MD5: f[2]}
		if one.MD5 == "null" || one.MD5 == "undefined" { // a client that has nothing yet
			one.MD5 = ""
		}
		if len(f) == 4 {
			one.Tenant = f[3]
		}
		if out = append(out, one); len(out) > maxListening {
			return nil, fmt.Errorf("nacoswire: Listening-Configs: more than %d", maxListening)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("nacoswire: Listening-Configs: invalid probeModify")
	}
	return out, nil
}

// ChangedText is the answer to a long poll: the configurations that have changed, escaped as a query is.
func ChangedText(list []ConfigRef) string {
	var b strings.Builder
	for _, r := range list {
		b.WriteString(r.DataID + wordSeparator + r.Group)
		if r.Tenant != "" {
			b.WriteString(wordSeparator + r.Tenant)
		}
		b.WriteString(lineSeparator)
	}
	return url.QueryEscape(b.String())
}
