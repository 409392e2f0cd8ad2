package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"paifang/internal/model"
)

// Cluster is what check asks a cluster for.
type Cluster struct {
	Kubeconfig string   // empty: the one that kubectl would take
	Context    string   // empty: the current one
	Namespaces []string // empty: all
	Adopt      []string // classes to read as if they were ours; empty: those of ingress-nginx
	Profiles   []string // of Spring's files beside it
}

// verdictWords are the codes of verdicts on annotations, and on settings, with the word that a report has for each.
func verdictWords() map[model.Code]string {
	return map[model.Code]string{
		model.CodeAnnotationServed: "supported", model.CodeAnnotationDiffers: "differs", model.CodeAnnotationIgnored: "ignored",
		model.CodeAnnotationRefused: "refused", model.CodeAnnotationUnknown: "unknown",
		model.CodeSettingServed: "supported", model.CodeSettingDiffers: "differs", model.CodeSettingIgnored: "ignored",
		model.CodeSettingRefused: "refused", model.CodeSettingUnknown: "unknown",
	}
}

// showCluster prints the report for a whole cluster: each Ingress with what is to be said of it, and each annotation with
// how often it has which verdict.
func (e Env) showCluster(all []model.Diagnostic, counts string) error {
	words := verdictWords()
	byObject := map[string][]model.Diagnostic{}
	for _, d := range all {
		byObject[d.Origin.Object()] = append(byObject[d.Origin.Object()], d)
	}
	var b strings.Builder
	for _, object := range slices.Sorted(maps.Keys(byObject)) {
		said := byObject[object]
		slices.SortStableFunc(said, func(a, b model.Diagnostic) int { return cmp.Compare(b.Severity, a.Severity) })
		if object == "" {
			object = "the configuration"
		}
		fmt.Fprintf(&b, "%s\n", object)
		var served []string
		for _, d := range said {
			if words[d.Code] == "supported" {
				served = append(served, settingName(d.Field))
				continue
			}
			fmt.Fprintf(&b, "  %s: %s", d.Severity, cmp.Or(words[d.Code], string(d.Code)))
			if d.Field != "" {
				fmt.Fprintf(&b, " %s", settingName(d.Field))
			}
			fmt.Fprintf(&b, ": %s\n", d.Message)
		}
		if len(served) > 0 {
			fmt.Fprintf(&b, "  supported: %s\n", strings.Join(served, ", "))
		}
	}
	b.WriteByte('\n')
	if !verdictTable(&b, "ANNOTATION", all, words, isAnnotation) {
		b.WriteString("no annotation of ingress-nginx is used\n")
	}
	var settings strings.Builder
	if verdictTable(&settings, "SETTING", all, words, func(d model.Diagnostic) bool { return !isAnnotation(d) }) {
		b.WriteString("\n" + settings.String())
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(e.Out, clean(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(e.Out, counts)
	return err
}

// isAnnotation tells a verdict on an annotation from one on a key or flag of the installation.
func isAnnotation(d model.Diagnostic) bool { return d.Origin.Kind == "Ingress" }

// verdictTable counts the verdicts that are wanted by the name of what they are about, the most used first. It is false where
// there is none.
func verdictTable(b *strings.Builder, head string, all []model.Diagnostic, words map[model.Code]string, wanted func(model.Diagnostic) bool) bool {
	columns := []string{"supported", "differs", "ignored", "refused", "unknown"}
	table := map[string]map[string]int{}
	total := map[string]int{}
	for _, d := range all {
		word, is := words[d.Code]
		if !is || !wanted(d) {
			continue
		}
		name := settingName(d.Field)
		if table[name] == nil {
			table[name] = map[string]int{}
		}
		table[name][word]++
		total[name]++
	}
	if len(table) == 0 {
		return false
	}
	names := slices.SortedFunc(maps.Keys(table), func(a, b string) int { return cmp.Or(total[b]-total[a], cmp.Compare(a, b)) })
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\n", head, strings.ToUpper(strings.Join(columns, "\t")))
	for _, name := range names {
		fmt.Fprint(w, name)
		for _, c := range columns {
			fmt.Fprintf(w, "\t%d", table[name][c])
		}
		fmt.Fprintln(w)
	}
	return w.Flush() == nil // what it writes to takes everything
}

// settingName is the name in "metadata.annotations[NAME]" or "data.NAME", or the field as it is.
func settingName(field string) string {
	if name, is := strings.CutPrefix(field, "metadata.annotations["); is {
		return strings.TrimSuffix(name, "]")
	}
	return strings.TrimPrefix(field, "data.")
}
