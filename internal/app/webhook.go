package app

import (
	"errors"
	"fmt"
	"net/netip"

	"paifang/internal/compile"
	"paifang/internal/filter"
	"paifang/internal/filter/builtin"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes"
	"paifang/internal/source/kubernetes/webhook"
)

// Webhook is the role webhook.
type Webhook struct {
	Address  netip.AddrPort   `json:"address" doc:"address:port, HTTPS; the path is /validate, and that of ingress-nginx is answered too; none here: that of --validating-webhook of sources.ingressNginx"`
	Cert     string           `json:"cert,omitempty" doc:"file with its certificate in PEM, such as a mounted Secret has; read again when it changes"`
	Key      string           `json:"key,omitempty" doc:"file with its key"`
	Register *WebhookRegister `json:"register,omitempty" doc:"in place of cert and key: a certificate that the replicas make and share, and that the API server is told to trust"`
	ClientCA string           `json:"clientCA,omitempty" doc:"file with the authorities, in PEM, one of which must have signed the certificate of who asks; none: whoever reaches the address is answered, see docs/controller.md"`
	Deny     bool             `json:"deny,omitempty" doc:"an Ingress that cannot be served, whatever else there is, is refused; default false: faults are warnings"`
}

// WebhookRegister names what has to exist for a webhook that makes its certificate itself. The process may get and update both.
type WebhookRegister struct {
	Configuration string `json:"configuration" doc:"a ValidatingWebhookConfiguration, whose caBundle is written"`
	Secret        string `json:"secret" doc:"a Secret in the namespace of the pod, where replicas share what they make; empty at first"`
}

func (c *Config) webhookFaults(f *faults) {
	w := c.Webhook
	if w == nil {
		return
	}
	f.need("webhook.address", w.Address)
	switch {
	case w.Register == nil && (w.Cert == "" || w.Key == ""):
		f.say("webhook.cert", "give cert and key, or register: the API server speaks HTTPS only")
	case w.Register != nil && (w.Cert != "" || w.Key != ""):
		f.say("webhook.register", "is in place of cert and key: give one of the two")
	case w.Register != nil && (w.Register.Configuration == "" || w.Register.Secret == ""):
		f.say("webhook.register", "give the names of both, configuration and secret")
	}
	if c.Sources.Kubernetes == nil {
		f.say("webhook", "needs sources.kubernetes: it judges by what a cluster has")
	}
}

// toldWebhook is the webhook that an installation of ingress-nginx was told of; nil: none.
func (c *Config) toldWebhook() *Webhook {
	x := c.installed()
	if c.Webhook != nil || x == nil || !x.Webhook.IsValid() || c.Sources.Kubernetes == nil {
		return nil
	}
	return &Webhook{Address: x.Webhook, Cert: x.WebhookCert, Key: x.WebhookKey, Deny: true}
}

// newWebhook makes the webhook of the configuration, or that of the installation that is taken over. The latter, whose files may
// not be mounted here, keeps nothing else from starting: the fault is told.
func (a *App) newWebhook() error {
	if w := a.cfg.toldWebhook(); w != nil {
		if err := a.listenWebhook(w); err != nil {
			a.log.Error("the webhook of --validating-webhook is not started", "err", err)
			a.local.Finders = append(a.local.Finders, trouble{model.Diagnostic{Origin: model.Origin{Source: "configuration", Kind: "ingress-nginx", Name: "args"},
				Field: "--validating-webhook", Severity: model.Error, Code: model.CodeListenerFailed, Message: "no webhook is started: " + err.Error()}})
		}
		return nil
	}
	if a.cfg.Webhook == nil {
		return nil
	}
	return a.listenWebhook(a.cfg.Webhook)
}

// trouble is one thing that is wrong from the start.
type trouble struct{ said model.Diagnostic }

// Diagnostics is that.
func (t trouble) Diagnostics() []model.Diagnostic { return []model.Diagnostic{t.said} }

func (a *App) listenWebhook(w *Webhook) error {
	c := webhook.Config{Address: w.Address, Cert: w.Cert, Key: w.Key, ClientCA: w.ClientCA, Deny: w.Deny, Source: a.cluster, Judge: a.judge, Log: a.log}
	if w.Register != nil {
		c.Register = &kubernetes.Registration{Client: a.clusterClient, Configuration: w.Register.Configuration, Secret: w.Register.Secret}
	}
	s, err := webhook.Listen(c)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	a.webhook = s
	return nil
}

// errNotRead is why nothing is judged yet.
var errNotRead = errors.New("not everything was read yet")

// judge returns the diagnostics that groups of the cluster bring, were they served: those that are there with them and not
// without. It compiles what they touch, beside the generation that is served.
func (a *App) judge(groups []source.Group) ([]model.Diagnostic, error) {
	if !a.hub.Ready() {
		return nil, errNotRead
	}
	served := a.store.Load()
	check := filter.Catalog(builtin.Kinds()).CheckRoute
	kept := served.Contents().Kept
	e := kept.Groups.Edit()
	for _, g := range groups {
		e.Delete(a.cluster.Name() + "/" + g.Key)
	}
	without := compile.Compile(served, compile.Input{Groups: e.Map(), Lists: kept.Lists}, check)
	e = without.Contents().Kept.Groups.Edit()
	for _, g := range groups {
		if rules := g.Rules(); rules != nil {
			e.Set(a.cluster.Name()+"/"+g.Key, rules)
		}
	}
	with := compile.Compile(without, compile.Input{Groups: e.Map(), Lists: kept.Lists}, check)
	_, now := with.DiagnosticsSince(without)
	return now, nil
}
