package nacoswire

// Types of messages: Metadata.type of a Payload, the class name in the Java sources.
const (
	TypeServerCheck         = "ServerCheckRequest"
	TypeConnectionSetup     = "ConnectionSetupRequest"
	TypeSetupAck            = "SetupAckRequest"
	TypeHealthCheck         = "HealthCheckRequest"
	TypeClientDetection     = "ClientDetectionRequest"
	TypeConnectReset        = "ConnectResetRequest"
	TypeInstance            = "InstanceRequest"
	TypeBatchInstance       = "BatchInstanceRequest"
	TypePersistent          = "PersistentInstanceRequest"
	TypeServiceQuery        = "ServiceQueryRequest"
	TypeServiceList         = "ServiceListRequest"
	TypeSubscribeService    = "SubscribeServiceRequest"
	TypeNotifySubscriber    = "NotifySubscriberRequest"
	TypeServerCheckAnswer   = "ServerCheckResponse"
	TypeHealthCheckAnswer   = "HealthCheckResponse"
	TypeDetectionAnswer     = "ClientDetectionResponse"
	TypeConnectResetAnswer  = "ConnectResetResponse"
	TypeInstanceAnswer      = "InstanceResponse"
	TypeBatchInstanceAnswer = "BatchInstanceResponse"
	TypeServiceQueryAnswer  = "QueryServiceResponse"
	TypeServiceListAnswer   = "ServiceListResponse"
	TypeSubscribeAnswer     = "SubscribeServiceResponse"
	TypeNotifyAnswer        = "NotifySubscriberResponse"
	TypeErrorAnswer         = "ErrorResponse"
)

// Result and error codes (ResponseCode and NacosException of the Java sources).
const (
	ResultOK   = 200
	ResultFail = 500

	ErrorStarting     = 300 // ask again in a second
	ErrorUnregistered = 301 // the connection was not set up: connect again
	ErrorNoHandler    = 302 // a type that is not known here
	ErrorInvalidParam = 400
	ErrorNoRight      = 403
	ErrorServer       = 500
	ErrorUnparsable   = 502
	ErrorOverLimit    = 503
)

// What an InstanceRequest or BatchInstanceRequest asks for.
const (
	RegisterInstance      = "registerInstance"
	DeregisterInstance    = "deregisterInstance"
	BatchRegisterInstance = "batchRegisterInstance"
)

// ModuleNaming is Request.Module of everything here.
const ModuleNaming = "naming"

// Request is what every request has.
type Request struct {
	Headers   map[string]string `json:"headers,omitempty"`
	RequestID string            `json:"requestId,omitempty"`
	Module    string            `json:"module,omitempty"`
}

// ServiceRef names a service in a request.
type ServiceRef struct {
	Namespace   string `json:"namespace"`
	ServiceName string `json:"serviceName"`
	GroupName   string `json:"groupName"`
}

// ConnectionSetupRequest is the first message on the stream. With an AbilityTable, even an empty one, the server
// answers with SetupAckRequest.
type ConnectionSetupRequest struct {
	Request
	ClientVersion string            `json:"clientVersion"`
	Tenant        string            `json:"tenant"`
	Labels        map[string]string `json:"labels"`
	AbilityTable  map[string]bool   `json:"abilityTable"`
}

// SetupAckRequest tells the client that its connection stands and what the server can do.
type SetupAckRequest struct {
	Request
	AbilityTable map[string]bool `json:"abilityTable"`
}

// ConnectResetRequest asks the client to connect elsewhere; without an address, to any server of its list.
type ConnectResetRequest struct {
	Request
	ServerIP     string `json:"serverIp,omitempty"`
	ServerPort   string `json:"serverPort,omitempty"`
	ConnectionID string `json:"connectionId,omitempty"`
}

// InstanceRequest publishes the one instance of this connection for a service, or takes it back. As a PersistentInstanceRequest it
// is about an instance that stays without a connection.
type InstanceRequest struct {
	Request
	ServiceRef
	Type     string   `json:"type"`
	Instance Instance `json:"instance"`
}

// BatchInstanceRequest publishes a set of instances, which replaces what this connection published before.
type BatchInstanceRequest struct {
	Request
	ServiceRef
	Type      string     `json:"type"`
	Instances []Instance `json:"instances"`
}

// ServiceQueryRequest asks for a list once.
type ServiceQueryRequest struct {
	Request
	ServiceRef
	Cluster     string `json:"cluster"` // comma separated; empty = all
	HealthyOnly bool   `json:"healthyOnly"`
	UDPPort     int    `json:"udpPort"`
}

// ServiceListRequest asks for the names of a group's services.
type ServiceListRequest struct {
	Request
	ServiceRef
	PageNo   int `json:"pageNo"` // from 1
	PageSize int `json:"pageSize"`
}

// SubscribeServiceRequest begins or ends a subscription.
type SubscribeServiceRequest struct {
	Request
	ServiceRef
	Subscribe bool   `json:"subscribe"`
	Clusters  string `json:"clusters"` // comma separated; empty = all
}

// NotifySubscriberRequest is a push: the list of a service as it is now. Which service it is says the list alone, and its namespace
// is that of the connection.
type NotifySubscriberRequest struct {
	Request
	ServiceInfo *ServiceInfo `json:"serviceInfo"`
}

// Response is what every response has, and the whole of many: to health checks, detection, pushes, errors. Success
// repeats ResultCode; the Go client reads the one, the Java client the other.
type Response struct {
	ResultCode int    `json:"resultCode"`
	ErrorCode  int    `json:"errorCode"`
	Success    bool   `json:"success"`
	Message    string `json:"message,omitempty"`
	RequestID  string `json:"requestId,omitempty"`
}

// OK is the response of success.
func OK(requestID string) Response {
	return Response{ResultCode: ResultOK, Success: true, RequestID: requestID}
}

// Fail is a response with an error.
func Fail(requestID string, code int, message string) Response {
	return Response{ResultCode: ResultFail, ErrorCode: code, Message: message, RequestID: requestID}
}

// ServerCheckResponse tells the client its connection's ID.
type ServerCheckResponse struct {
	Response
	ConnectionID              string `json:"connectionId"`
	SupportAbilityNegotiation bool   `json:"supportAbilityNegotiation"`
}

// InstanceResponse answers InstanceRequest and BatchInstanceRequest.
type InstanceResponse struct {
	Response
	Type string `json:"type"`
}

// ServiceResponse answers ServiceQueryRequest and SubscribeServiceRequest.
type ServiceResponse struct {
	Response
	ServiceInfo *ServiceInfo `json:"serviceInfo"`
}

// ServiceListResponse answers ServiceListRequest: names without group, and the number of all of them.
type ServiceListResponse struct {
	Response
	Count        int      `json:"count"`
	ServiceNames []string `json:"serviceNames"`
}
