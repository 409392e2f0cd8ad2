package certs

import (
	"testing"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

func newAuthority(t testing.TB, name string, up *certstest.Authority) *certstest.Authority {
	return certstest.New(t, name, up)
}

func policy(id string, ca *certstest.Authority, auth model.ClientAuth, hosts ...model.Host) model.TLSPolicy {
	p := model.TLSPolicy{ID: model.TLSPolicyID(id), Attach: []model.Class{"ingress"}, Hosts: hosts, ClientAuth: auth}
	if ca != nil {
		p.ClientCAs = ca.PEM()
	}
	return p
}
