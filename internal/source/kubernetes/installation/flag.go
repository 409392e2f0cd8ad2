package installation

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/source/kubernetes/annotation"
)

// Flag is a row of the table of the command line.
type Flag struct {
	Name    string // without dashes
	Bool    bool   // it needs no value
	Default string
	Verdict annotation.Verdict
	Note    string

	read func(*flagValue)
}

// Flags are what the command line says, as far as it acts here. The zero value is that of no flag, see NoFlags.
type Flags struct {
	ConfigMap          string // namespace/name; "" = none
	TCP, UDP           string // ConfigMaps with ports
	DefaultCertificate string // namespace/name of a Secret
	DefaultBackend     string // namespace/name of a Service; "" = 404
	Class              string // a name that counts in the annotation kubernetes.io/ingress.class
	Controller         string // spec.controller of the IngressClasses that are taken over
	ByName             bool   // a class with the name of Class counts whatever its controller is
	Unclassed          bool
	Prefix             string // of annotations; "" = the usual one
	Namespace          string // that is read; "" = all
	NamespaceSelector  string // labels of those that are read, where Namespace is empty; "" = all
	Passthrough        bool   // the annotation ssl-passthrough acts

	PublishService string
	PublishAddress []netip.Addr
	NodeInternal   bool // where neither is given, the internal addresses of the Nodes that the controller runs on
	NoStatus       bool
	Lease          string // its name; "" = that of the configuration
	LeaseTime      time.Duration
	NoEvents       bool
	Kubeconfig     string
	Webhook        netip.AddrPort // where Ingresses are judged before they are stored; zero = nowhere
	WebhookCert    string         // files with its certificate and key
	WebhookKey     string
	NoExternal     bool // Services of type ExternalName are not resolved
}

// NoFlags is what ingress-nginx does without any flag.
func NoFlags() Flags { return Flags{Class: "nginx", Controller: "k8s.io/ingress-nginx"} }

// flagValue is the reading of one flag.
type flagValue struct {
	reading
	f *Flags
}

// not reads a boolean and keeps its opposite.
func (v *flagValue) not(to *bool) {
	on := !*to
	if v.boolean(&on) {
		*to = !on
	}
}

// object reads namespace/name. A variable of the pod stands for its namespace, which nobody knows here: see Args.
func (v *flagValue) object(to *string) {
	if v.text == "" {
		*to = ""
		return
	}
	ns, name, both := strings.Cut(v.text, "/")
	if !both || ns == "" || name == "" || strings.Contains(name, "/") || strings.ContainsFunc(v.text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		v.invalid("%q is not namespace/name: it has no effect", v.text)
		return
	}
	if strings.Contains(v.text, "$(") {
		v.invalid("%q has a variable of the pod that is not known here: write the namespace in its place; it has no effect", v.text)
		return
	}
	*to = v.text
}

func (v *flagValue) addresses() {
	var all []netip.Addr
	for part := range strings.SplitSeq(v.text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil {
			v.invalid("%q is no address: it has no effect", part)
			return
		}
		all = append(all, a)
	}
	v.f.PublishAddress = all
}

// webhook reads ":8443", which is every address, or "address:port".
func (v *flagValue) webhook() {
	if v.text == "" {
		v.f.Webhook = netip.AddrPort{}
		return
	}
	text := v.text
	if strings.HasPrefix(text, ":") {
		text = "[::]" + text
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil || at.Port() == 0 {
		v.invalid("%q is no address:port: no webhook is started", v.text)
		return
	}
	v.f.Webhook = at
}

func (v *flagValue) leaseTime() {
	d, err := time.ParseDuration(v.text)
	if err != nil || d < 3*time.Second || d > time.Hour {
		v.invalid("%q is no time within 3s and 1h: it has no effect", v.text)
		return
	}
	v.f.LeaseTime = d
}

// text reads a name.
func (v *flagValue) name(to *string) {
	if len(v.text) > 253 || strings.ContainsFunc(v.text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		v.invalid("%q is no name: it has no effect", v.text)
		return
	}
	*to = v.text
}

// Args reads the arguments of the controller's container as they stand in its Deployment, the name of the program first or left
// out: "--flag=value", "--flag value", "--flag" and "-v=2". namespace, where it is known, is put in place of $(POD_NAMESPACE). There
// is a Finding for each flag, in its order. The last of several counts.
func Args(args []string, namespace string) (Flags, []annotation.Finding) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	return ProgramArgs(args, namespace)
}

// ProgramArgs is Args without the name of the program.
func ProgramArgs(args []string, namespace string) (Flags, []annotation.Finding) {
	f := NoFlags()
	rows := map[string]*Flag{}
	for _, row := range Table() {
		rows[row.Name] = &row
	}
	var found []annotation.Finding
	for i := 0; i < len(args); i++ {
		arg := args[i]
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") {
			found = append(found, annotation.Finding{Key: arg, Verdict: annotation.Unknown, Message: "it is no flag: it has no effect"})
			continue
		}
		x := annotation.Finding{Key: "--" + name}
		row := rows[name]
		if row == nil {
			x.Verdict, x.Message = annotation.Unknown, "ingress-nginx has no flag of this name: it has no effect"
			found = append(found, x)
			continue
		}
		x.Verdict, x.Message = row.Verdict, row.Note
		switch {
		case given:
		case row.Bool:
			value = "true"
		case i+1 < len(args):
			i++
			value = args[i]
		}
		if namespace != "" {
			value = strings.ReplaceAll(value, "$(POD_NAMESPACE)", namespace)
		}
		if row.read != nil {
			row.read(&flagValue{reading{strings.TrimSpace(value), &x}, &f})
		}
		found = append(found, x)
	}
	if f.Webhook.IsValid() && (f.WebhookCert == "" || f.WebhookKey == "") {
		f.Webhook = netip.AddrPort{}
		for i := range found {
			if found[i].Key == "--validating-webhook" {
				found[i].Verdict, found[i].Message = annotation.Invalid, "it needs --validating-webhook-certificate and --validating-webhook-key: no webhook is started"
			}
		}
	}
	return f, found
}

// FlagNames are the names of all flags, sorted.
func FlagNames() []string {
	var out []string
	for _, f := range Table() {
		out = append(out, f.Name)
	}
	slices.Sort(out)
	return out
}
