package podrun

import (
	"slices"
	"strings"

	"paifang/internal/model"
)

// unmet are attached processes and command lines for images that no workload asks for: a name with a slip of the pen, as a
// rule, or a file that is still to come.
func (r *Runner) unmet() []model.Diagnostic {
	r.mu.Lock()
	wanted, committed := r.wanted, r.committed
	r.mu.Unlock()
	if !committed {
		return nil
	}
	var out []model.Diagnostic
	say := func(kind, name, message string) {
		out = append(out, model.Diagnostic{Origin: model.Origin{Source: "configuration", Kind: kind, Name: name}, Severity: model.Warning,
			Code: model.CodeIgnored, Message: message})
	}
	for name := range r.cfg.Attach {
		if !slices.ContainsFunc(wanted, func(w model.Workload) bool { return name == w.Name || name == w.Namespace+"/"+w.Name }) {
			say("attach", name, "no Deployment or Pod has this name, so the process is not used; there are "+
				listed(wanted, func(w model.Workload) string { return w.Name }))
		}
	}
	for image := range r.cfg.Run {
		mine := map[string]bool{image: true}
		if !slices.ContainsFunc(wanted, func(w model.Workload) bool { _, ok := byImage(mine, w.Container.Image); return ok }) {
			say("run", image, "no container has this image, so the command is not used; there are "+
				listed(wanted, func(w model.Workload) string { return w.Container.Image }))
		}
	}
	return out
}

// listed names what there is, a few of them.
func listed(wanted []model.Workload, of func(model.Workload) string) string {
	var all []string
	for _, w := range wanted {
		all = append(all, of(w))
	}
	slices.Sort(all)
	all = slices.Compact(all)
	const few = 5
	switch {
	case len(all) == 0:
		return "none"
	case len(all) > few:
		all = append(all[:few], "others")
	}
	return strings.Join(all, ", ")
}
