package kubernetes

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/translate"
)

// discovery is what a search for the controller of ingress-nginx came to.
type discovery struct {
	controllers []translate.Value  // of which only their verdicts are wanted
	notes       []model.Diagnostic // about the search itself
}

// discover looks for controllers of ingress-nginx where no installation is given. One alone is taken over as it stands; of
// several nobody knows whose settings an Ingress is meant to have, so each has its verdicts and none its effect.
func (o *Options) discover(ctx context.Context) (discovery, error) {
	var out discovery
	if o.Translate.Installed != nil {
		return out, nil
	}
	namespaces := o.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, res := range []resource{deployments(), daemonSets()} {
		for _, ns := range namespaces {
			list, err := o.Client.pages(ctx, res, ns, "")
			if apierrors.IsForbidden(err) {
				out.notes = append(out.notes, model.Diagnostic{Origin: model.Origin{Source: o.Name, Kind: string(res.kind), Namespace: ns}, Severity: model.Warning,
					Code: model.CodeUnsupported, Message: fmt.Sprintf("%s may not be listed: the flags and settings of an ingress-nginx among them are not looked at", res.name)})
				continue
			}
			if err != nil {
				return out, err
			}
			for _, v := range list {
				if translate.InstalledBy(translate.Object{Value: v}, o.Name) != nil {
					out.controllers = append(out.controllers, v)
				}
			}
		}
	}
	if len(out.controllers) > 1 {
		for _, v := range out.controllers {
			found := translate.InstalledBy(translate.Object{Value: v}, o.Name)
			out.notes = append(out.notes, model.Diagnostic{Origin: found.Origin, Severity: model.Warning, Code: model.CodeUnsupported,
				Message: "there are several controllers of ingress-nginx: Ingresses are read with the defaults of ingress-nginx; give sources.ingressNginx for the settings of one"})
		}
		return out, nil
	}
	for _, v := range out.controllers {
		o.Translate.Installed = translate.InstalledBy(translate.Object{Value: v}, o.Name)
		if ns := o.Translate.Installed.Namespace; ns != "" && len(o.Namespaces) == 0 {
			o.Namespaces = []string{ns}
		}
		o.NamespaceSelector = cmp.Or(o.NamespaceSelector, o.Translate.Installed.NamespaceSelector)
	}
	out.controllers = nil
	return out, nil
}
