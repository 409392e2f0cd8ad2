package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/springgw"
	nacosclient "paifang/nacos"
)

// Import reads the files of Spring Cloud Gateway that Config.Sources.Routes names and returns them as our own documents.
// Beside a file of another name than application those for the profiles that were asked for are read too. Rules of Sentinel that they say are in Nacos are
// asked for there if nacos is set: the files then say whom this process connects to.
func Import(ctx context.Context, cfg Config, nacos bool) ([]byte, springgw.Imported, error) {
	s := springConfig(&cfg)
	if nacos {
		s.Rules = func(r springgw.RuleItem) (string, error) { return askRules(ctx, r) }
	}
	s.Paths = withProfiles(s.Paths, cfg.Sources.Spring.Profiles)
	imported, err := springgw.Import(s)
	if err != nil {
		return nil, imported, fmt.Errorf("app: %w", err)
	}
	text, err := document.PrintWithOrigins(imported.Objects)
	if err != nil {
		return nil, imported, fmt.Errorf("app: import: %w", err)
	}
	found := refusals(imported.Objects, text)
	if refuse(&imported, found) {
		if text, err = document.PrintWithOrigins(imported.Objects); err != nil {
			return nil, imported, fmt.Errorf("app: import: %w", err)
		}
	}
	imported.Findings = append(imported.Findings, found...)
	return text, imported, nil
}

// refuse has routes with a filter that is none answer 503 in the documents too, as they would where Spring's files are served, so that the check takes
// the documents. It tells whether there is one.
func refuse(imported *springgw.Imported, found []springgw.Finding) bool {
	any := false
	for i := range imported.Objects.Routes {
		r := &imported.Objects.Routes[i]
		if slices.ContainsFunc(found, func(f springgw.Finding) bool {
			return f.Verdict.Verdict == springgw.Unsupported && f.Kind == "route" && f.Route == r.Origin.Name && strings.HasPrefix(f.Name, "filters")
		}) {
			r.Filters, r.Action, any = nil, model.Respond{Status: 503, Code: model.CodeUnsupported}, true
		}
	}
	return any
}

// refusals are what the check of imported documents will not take, or warns of, at the places that they come from. A reader of Spring's files knows
// less of a filter than the filter itself.
func refusals(o model.Objects, text []byte) []springgw.Finding {
	var out []springgw.Finding
	refused := func(kind, name, file string, line int, route, why string) {
		out = append(out, springgw.Finding{Verdict: springgw.Verdict{Kind: kind, Name: name, Verdict: springgw.Unsupported, Why: why}, File: file, Line: line, Route: route})
	}
	documents, problems := document.Split("", text)
	for _, d := range documents {
		_, found := document.Parse(d, "import")
		problems = append(problems, found...)
	}
	for _, p := range problems {
		refused("document", p.Field, "", 0, "", p.Message)
	}
	for _, d := range compiled(map[string][]source.Group{"import": {{Key: "import", Objects: &o}}}).snap.Diagnostics() {
		switch {
		case d.Code == model.CodeFilterDoubtful:
			out = append(out, springgw.Finding{Verdict: springgw.Verdict{Kind: "route", Name: d.Field, Verdict: springgw.Differs, Why: d.Message},
				File: d.Origin.File, Line: d.Origin.Line, Route: d.Origin.Name})
		case d.Severity != model.Error:
		case d.Origin.Kind == "route":
			refused("route", d.Field, d.Origin.File, d.Origin.Line, d.Origin.Name, d.Message)
		default:
			refused(d.Origin.Kind, d.Field, d.Origin.File, d.Origin.Line, "", d.Message)
		}
	}
	return out
}

// rulesWithin is how long a registry has to connect and to say one item of rules.
const rulesWithin = 10 * time.Second

// askRules reads an item with rules of Sentinel.
func askRules(ctx context.Context, r springgw.RuleItem) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, rulesWithin)
	defer cancel()
	opt := nacosclient.Options{Namespace: r.Namespace, Username: r.Username, Password: r.Password}
	for server := range strings.SplitSeq(r.Server, ",") {
		server = strings.TrimPrefix(strings.TrimSpace(server), "http://")
		if !strings.Contains(server, ":") {
			server += ":8848"
		}
		opt.Servers = append(opt.Servers, server)
	}
	c, err := nacosclient.Connect(ctx, opt)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Read(ctx, nacosclient.Config{ID: r.DataID, Group: r.Group})
}

// withProfiles adds the files for profiles that stand beside files without one. Those of application and bootstrap are added for all profiles: the
// files may say which are active, and it is told which are not.
func withProfiles(paths, profiles []string) []string {
	out := slices.Clone(paths)
	for _, path := range paths {
		base, ok := strings.CutSuffix(path, filepath.Ext(path))
		if info, err := os.Stat(path); !ok || err != nil || info.IsDir() {
			continue
		}
		beside, _ := os.ReadDir(filepath.Dir(path))
		for _, e := range beside {
			file := filepath.Join(filepath.Dir(path), e.Name())
			profile, ok := strings.CutPrefix(strings.TrimSuffix(file, filepath.Ext(file)), filepath.Clean(base)+"-")
			if ok && bootconfig.Accept(e.Name()) && (bootconfig.ForProfile(file) || slices.Contains(profiles, profile)) && !slices.Contains(out, file) {
				out = append(out, file)
			}
		}
	}
	return out
}
