package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"paifang/internal/model"
)

// callers are the authorities that vouch for whoever may ask, in a file that is replaced from time to time. The API server shows a
// certificate where its admission configuration names one for the webhook.
type callers struct {
	file string

	mu      sync.Mutex
	loaded  *x509.CertPool
	changed time.Time // of the file
	looked  time.Time
}

// get returns the authorities, the last ones that could be read.
func (c *callers) get() (*x509.CertPool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loaded != nil && time.Since(c.looked) < certPause {
		return c.loaded, nil
	}
	c.looked = time.Now()
	info, err := os.Stat(c.file)
	if err == nil && c.loaded != nil && info.ModTime().Equal(c.changed) {
		return c.loaded, nil
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(c.file)
	}
	var all []*x509.Certificate
	if err == nil {
		all, err = model.ParseCertificates(string(text))
	}
	if err != nil {
		if c.loaded != nil {
			return c.loaded, nil
		}
		return nil, fmt.Errorf("webhook: read the authorities of clients: %w", err)
	}
	c.loaded, c.changed = x509.NewCertPool(), info.ModTime()
	for _, ca := range all {
		c.loaded.AddCert(ca)
	}
	return c.loaded, nil
}

// required has a certificate of one of them asked of everybody.
func (c *callers) required(config *tls.Config) {
	plain := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pool, err := c.get()
		if err != nil {
			return nil, err
		}
		own := plain.Clone()
		own.ClientAuth, own.ClientCAs = tls.RequireAndVerifyClientCert, pool
		return own, nil
	}
}
