{{- define "paifang.rules" -}}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch]}
- {apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [update, patch]}
- {apiGroups: [""], resources: [services, secrets, configmaps], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
{{- if .Values.events }}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
{{- end }}
{{- end -}}
