package compile

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
)

// expectations tells what listeners do otherwise than the classes on them expect. A class may be on several listeners;
// those that say the same are named together.
func (c *compiler) expectations(all []model.Expectation) {
	var ds []model.Diagnostic
	for _, e := range all {
		names := map[string][]string{}
		for _, l := range c.next.Listeners {
			if l.EffectiveClass() != e.Class || l.Protocol != model.HTTP && l.Protocol != model.HTTPS {
				continue
			}
			if unmet := strings.Join(e.Unmet(l.Parsing), ", "); unmet != "" {
				names[unmet] = append(names[unmet], string(l.ID))
			}
		}
		for unmet, on := range names {
			slices.Sort(on)
			ds = append(ds, model.Diagnostic{Origin: e.Origin, Severity: model.Warning, Code: model.CodeParsingDiffers, Message: fmt.Sprintf(
				"these rules are written for %s, and %s reads requests otherwise: %s; to change that, set parsing of the listener", e.Who, strings.Join(on, ", "), unmet)})
		}
	}
	slices.SortFunc(ds, model.CompareDiagnostics)
	c.say("expectations", slices.Compact(ds))
}
