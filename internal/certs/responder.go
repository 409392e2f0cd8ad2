package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"paifang/internal/inward"
)

// Bounds of one question.
const (
	responderTimeout = 10 * time.Second // all of it
	responderAnswer  = 64 << 10         // bytes of an answer; usual are 500 to 2,000
	responderSkew    = 5 * time.Minute  // that its clock may be ahead of ours
)

// responders asks those who know whether a certificate is revoked. Who they are says the certificate, and so whoever may write a Secret:
// what only this process can reach is not asked, there is no proxy on the way, and redirects are not followed.
type responders struct{ client *http.Client }

func newResponders(loopback bool) responders {
	dialer := inward.Dialer(loopback, responderTimeout)
	return responders{&http.Client{
		Timeout:       responderTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
			TLSHandshakeTimeout: responderTimeout, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
	}}
}

// ask returns a response about a certificate that is good or revoked, and that counts by now.
func (r responders) ask(ctx context.Context, at *url.URL, leaf, issuer *x509.Certificate, now func() time.Time) (*ocsp.Response, error) {
	question, err := ocsp.CreateRequest(leaf, issuer, nil) // by SHA-1, which is what responders know (RFC 9654 section 3.1.1)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.Header.Set("Accept", "application/ocsp-response")
	answer, err := r.client.Do(req)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err // the address is told by who asks
		}
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers with status %d", answer.StatusCode)
	}
	der, err := io.ReadAll(io.LimitReader(answer.Body, responderAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(der) > responderAnswer {
		return nil, fmt.Errorf("its answer has more than %d bytes", responderAnswer)
	}
	return readResponse(der, leaf, issuer, now())
}

// readResponse checks a response: it is about the certificate, its issuer has signed it or has let somebody sign it, and it counts by now.
func readResponse(der []byte, leaf, issuer *x509.Certificate, now time.Time) (*ocsp.Response, error) {
	r, err := ocsp.ParseResponseForCert(der, leaf, issuer)
	if err != nil {
		return nil, err
	}
	if by := r.Certificate; by != nil && !by.Equal(issuer) {
		// ParseResponseForCert has seen that the issuer has signed it, which is true of everybody's certificate.
		switch {
		case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
			return nil, fmt.Errorf("the response is signed by %s, who may not sign responses", by.Subject)
		case now.Before(by.NotBefore) || now.After(by.NotAfter):
			return nil, fmt.Errorf("the certificate of %s, who has signed the response, is out of date", by.Subject)
		}
	}
	switch {
	case r.ThisUpdate.After(now.Add(responderSkew)):
		return nil, fmt.Errorf("the response begins to count at %s", r.ThisUpdate.UTC().Format(time.RFC3339))
	case r.NextUpdate.IsZero():
		return nil, errors.New("the response does not say until when it counts")
	case !now.Before(r.NextUpdate):
		return nil, fmt.Errorf("the response is out of date since %s", r.NextUpdate.UTC().Format(time.RFC3339))
	case r.Status != ocsp.Good && r.Status != ocsp.Revoked:
		return nil, errors.New("it does not know the certificate")
	}
	return r, nil
}
