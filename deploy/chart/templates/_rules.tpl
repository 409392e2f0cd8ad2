{{- /* docs/controller.md says what each is for. */ -}}
{{- define "paifang.rules" -}}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list, watch]}
{{- if include "paifang.publishes" . }}
- {apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [patch]}
{{- end }}
- {apiGroups: [""], resources: [services, secrets, configmaps], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
{{- if include "paifang.events" . }}
- {apiGroups: [""], resources: [events], verbs: [create]}
{{- end }}
{{- end -}}
