package translate

import (
	"net/netip"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// Installed is an installation of ingress-nginx that is taken over: what it was told.
type Installed struct {
	installation.Flags
	Findings []annotation.Finding // about its flags
	Places   []Place              // where its TCP and UDP services listen
	Origin   model.Origin         // of its arguments; zero: they are in the configuration file
}

// Place is an address that listeners are made at.
type Place struct {
	Node      string
	Addr      netip.Addr
	Advertise []netip.Addr
	Elsewhere bool // another process binds it
}

// The groups of an installation, each named installation/ and this.
const (
	partFlags       = "flags"
	partKeys        = "keys"
	partFields      = "fields"
	partCertificate = "certificate"
	partVersions    = "versions"
	partBackend     = "backend"
	partTCP         = "tcp"
	partUDP         = "udp"
	partListeners   = "listeners"
)

const installationGroup = "installation/"

// installed has the groups of an installation built, now and when what they are made from changes.
func (s *Store) installed() {
	if s.opt.Installed == nil {
		return
	}
	for _, part := range []string{partFlags, partKeys, partFields, partCertificate, partVersions, partBackend, partTCP, partUDP, partListeners} {
		s.mark(installationGroup + part)
	}
}

// configure reads the ConfigMap again. What Ingresses became is made anew where that changes anything.
func (s *Store) configure() {
	set, _ := installation.Read(s.configMap(s.opt.Installed.ConfigMap))
	if reflect.DeepEqual(set, s.set) {
		return
	}
	services := set.Keep != s.set.Keep
	s.set = set
	s.nginx = s.opt.nginxReader(set.Annotations)
	for group := range s.groups {
		if strings.HasPrefix(group, "ingress/") || strings.HasPrefix(group, "notes/") || services && strings.HasPrefix(group, "service/") {
			s.mark(group)
		}
	}
	s.installed()
}

// nginxReader reads annotations as ingress-nginx does, on top of what is in force where an Ingress says nothing.
func (o Options) nginxReader(base annotation.Settings) *annotation.Reader {
	base.Errors.ForAll = o.Installed != nil && o.Installed.DefaultBackend != ""
	return annotation.NewReader(o.Annotations, base)
}

// configMap is the data of a ConfigMap "namespace/name"; nil where there is none.
func (s *Store) configMap(name string) map[string]string {
	if o := s.objects[configMapKey(name)]; o != nil {
		return o.Value.(*corev1.ConfigMap).Data
	}
	return nil
}

// configMapKey is the key of a ConfigMap named "namespace/name".
func configMapKey(text string) Key {
	ns, name, _ := strings.Cut(text, "/")
	return Key{KindConfigMap, ns, name}
}

// Names tells whether the installation itself names an object, so that it is read wherever it is.
func (o Options) Names(k Key) bool {
	x := o.Installed
	if x == nil {
		return false
	}
	place := k.Namespace + "/" + k.Name
	switch k.Kind {
	case KindConfigMap:
		return place == x.ConfigMap || place == x.TCP || place == x.UDP
	case KindSecret:
		return place == x.DefaultCertificate
	}
	return false
}

// installation makes one group of it.
func (b *builder) installation(part string) {
	if b.store.opt.Installed == nil {
		b.gone = true
		return
	}
	switch part {
	case partFlags:
		b.flagNotes(b.store.opt.Installed)
	case partKeys:
		b.keyNotes(b.store.opt.Installed)
	case partFields:
		b.fieldNotes()
	case partCertificate:
		b.defaultCertificate()
	case partVersions:
		b.versions()
	case partBackend:
		b.healthy()
		b.wholeBackend()
	case partTCP:
		b.streams(b.store.opt.Installed.TCP, model.TCP)
	case partUDP:
		b.streams(b.store.opt.Installed.UDP, model.UDP)
	case partListeners:
		b.listenerDefaults()
	}
}

// origin is what is said about the command line.
func (x *Installed) origin(source string) model.Origin {
	if x.Origin != (model.Origin{}) {
		return x.Origin
	}
	return model.Origin{Source: source, Kind: "ingress-nginx", Name: "args"}
}

// installedOrigin is that of the installation that is taken over.
func (b *builder) installedOrigin() model.Origin {
	return b.store.opt.Installed.origin(b.store.opt.Source)
}

func (b *builder) installedFault(flag string, s model.Severity, c model.Code, message string) {
	b.flagFault(b.store.opt.Installed, flag, s, c, message)
}

func (b *builder) flagFault(x *Installed, flag string, s model.Severity, c model.Code, message string) {
	b.out.Diagnostics = append(b.out.Diagnostics, model.Diagnostic{Origin: x.origin(b.store.opt.Source), Field: "--" + flag, Severity: s, Code: c, Message: message})
}

func (b *builder) flagNotes(x *Installed) {
	names := installation.FlagNames()
	for _, f := range x.Findings {
		d := settingNote(f, strings.TrimLeft(f.Key, "-"), names)
		d.Origin, d.Field = x.origin(b.store.opt.Source), f.Key
		b.out.Diagnostics = append(b.out.Diagnostics, d)
	}
}

func (b *builder) keyNotes(x *Installed) {
	o := b.configured(x, "configmap", x.ConfigMap)
	if o == nil {
		return
	}
	names := installation.KeyNames()
	_, found := installation.Read(o.Value.(*corev1.ConfigMap).Data)
	for _, f := range found {
		d := settingNote(f, f.Key, names)
		d.Field = "data." + f.Key
		d.Origin = o.at(d.Field)
		b.out.Diagnostics = append(b.out.Diagnostics, d)
	}
}

// configured is a ConfigMap that a flag names, or nil: it names none, or there is none, which is said.
func (b *builder) configured(x *Installed, flag, name string) *stored {
	if name == "" {
		return nil
	}
	o := b.get(configMapKey(name))
	if o == nil {
		b.flagFault(x, flag, model.Warning, model.CodeInvalid, "ConfigMap "+name+" does not exist: defaults hold")
	}
	return o
}

// settingNote says what becomes of a key or flag.
func settingNote(f annotation.Finding, name string, known []string) model.Diagnostic {
	d := model.Diagnostic{Message: f.Message}
	switch f.Verdict {
	case annotation.Supported:
		d.Severity, d.Code = model.Info, model.CodeSettingServed
		d.Message = "does what it says"
	case annotation.Differs:
		d.Severity, d.Code = model.Warning, model.CodeSettingDiffers
	case annotation.Ignored:
		d.Severity, d.Code = model.Warning, model.CodeSettingIgnored
	case annotation.Refused:
		d.Severity, d.Code = model.Error, model.CodeSettingRefused
	case annotation.Unknown:
		d.Severity, d.Code = model.Warning, model.CodeSettingUnknown
		if n := document.Nearest(name, known); n != "" {
			d.Message += ": did you mean " + n + "?"
		}
	default:
		d.Severity, d.Code = model.Error, model.CodeInvalid
	}
	return d
}

// defaultCertificate is --default-ssl-certificate: for names without a certificate of their own, and for who sends no name.
func (b *builder) defaultCertificate() {
	const flag = "default-ssl-certificate"
	secret := b.store.opt.Installed.DefaultCertificate
	if secret == "" {
		return
	}
	chain, key, code, why := b.ownPair(secret)
	switch {
	case code != "" && chain != "":
		b.installedFault(flag, model.Error, code, why+": "+servedFor(chain))
	case code != "":
		b.installedFault(flag, model.Error, code, why+": a certificate that is made at start is served by default")
		return
	}
	origin := b.installedOrigin()
	if o := b.get(secretKey(secret)); o != nil {
		origin = o.at("")
	}
	b.out.Certificates = []model.Certificate{{
		ID: "installation/" + flag, Origin: origin, Attach: []model.Class{b.store.opt.Attach}, Hosts: []model.Host{""}, Secret: secret,
		Chain: chain, Key: model.NewSecret(key),
	}}
}

// listenerDefaults is what the ConfigMap says of listeners, and what ingress-nginx does where it says nothing, as far as requests
// would show the difference.
func (b *builder) listenerDefaults() {
	class := b.store.opt.Attach
	b.out.ListenerDefaults = []model.ListenerDefaults{{Class: class, Origin: b.installedOrigin(), Assumed: true, Parsing: model.Parsing{Underscores: model.UnderscoresDrop}}}
	name := b.store.opt.Installed.ConfigMap
	if name == "" {
		return
	}
	if o := b.get(configMapKey(name)); o != nil {
		d := b.store.set.Listeners()
		d.Class, d.Origin = class, o.at("data")
		b.out.ListenerDefaults = append(b.out.ListenerDefaults, d)
	}
}

// versions is ssl-protocols, for all hosts that have no rules of their own.
func (b *builder) versions() {
	s := &b.store.set
	if s.MinTLS == "" && s.MaxTLS == "" {
		return
	}
	b.out.TLSPolicies = []model.TLSPolicy{{
		ID: "installation/ssl-protocols", Origin: b.installedOrigin(), Attach: []model.Class{b.store.opt.Attach}, Hosts: []model.Host{""},
		MinVersion: s.MinTLS, MaxVersion: s.MaxTLS,
	}}
}
