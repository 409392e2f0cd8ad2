package compile

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
)

// fillListeners gives the declared listeners of a class what was said for it and they say nothing about. What they say
// themselves is told, since who wrote the defaults would look for their effect in vain. What a listener cannot have is told
// too, and it stays as it is.
func (c *compiler) fillListeners(all []model.ListenerDefaults) {
	slices.SortFunc(all, model.CompareListenerDefaults)
	said := slices.Clone(c.next.Declared)
	var ds []model.Diagnostic
	for _, d := range all {
		otherwise := map[string][]string{}
		for i := range c.next.Declared {
			l := &c.next.Declared[i]
			if l.EffectiveClass() != d.Class || l.Protocol != model.HTTP && l.Protocol != model.HTTPS {
				continue
			}
			bare, filled := said[i], *l
			own := d.Fill(&bare)
			d.Fill(&filled)
			if err := filled.Validate(); err != nil {
				ds = append(ds, invalid(d.Origin, fmt.Errorf("listener %s cannot have what is said here, which has no effect on it: %w", l.ID, err)))
				continue
			}
			*l = filled
			if len(own) > 0 && !d.Assumed {
				text := strings.Join(own, ", ")
				otherwise[text] = append(otherwise[text], string(l.ID))
			}
		}
		for text, on := range otherwise {
			ds = append(ds, model.Diagnostic{Origin: d.Origin, Severity: model.Info, Code: model.CodeSettingOverridden, Message: fmt.Sprintf(
				"what %s themselves say goes before what is said here: %s", strings.Join(on, ", "), text)})
		}
	}
	slices.SortFunc(ds, model.CompareDiagnostics)
	c.say("listener defaults", ds)
}
