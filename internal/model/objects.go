package model

// Objects is what a source contributes in one group.
type Objects struct {
	Listeners    []Listener
	Routes       []Route
	L4Routes     []L4Route
	Upstreams    []Upstream
	Endpoints    []EndpointSet // addresses: they never pass through compile
	Certificates []Certificate
	TLSPolicies  []TLSPolicy
	Locators     []Locator
	Zones        []Zone
	Expectations []Expectation
	// ListenerDefaults fill in what listeners do not say.
	ListenerDefaults []ListenerDefaults
	Workloads        []Workload
	Diagnostics      []Diagnostic // what the source itself found wrong
}

// Empty tells whether there is nothing in it, or it is nil.
func (o *Objects) Empty() bool {
	return o == nil || !o.HasRules() && len(o.Endpoints) == 0
}

// HasRules tells whether there is anything in it that compile reads.
func (o *Objects) HasRules() bool {
	return len(o.Listeners)+len(o.Routes)+len(o.L4Routes)+len(o.Upstreams)+len(o.Certificates)+len(o.TLSPolicies)+len(o.Locators)+
		len(o.Zones)+len(o.Expectations)+len(o.ListenerDefaults)+len(o.Workloads)+len(o.Diagnostics) > 0
}
