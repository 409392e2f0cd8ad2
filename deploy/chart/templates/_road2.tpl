{{- /* Road 2: the gateway and the registry. Both are given as (dict "root" $ "role" "gateway" "of" .Values.gateway "config" TEXT). */ -}}
{{- define "paifang.role.name" -}}
{{ include "paifang.name" .root }}-{{ .role }}
{{- end -}}

{{- /* Not the name of road 1's pods: its Service would lead to these too. */ -}}
{{- define "paifang.role.selector" -}}
app.kubernetes.io/name: paifang-{{ .role }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "paifang.role.labels" -}}
{{ include "paifang.role.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "paifang.role.meta" -}}
name: {{ include "paifang.role.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "paifang.role.labels" . | nindent 2 }}
{{- end -}}

{{- define "paifang.role.config" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "paifang.role.meta" . | nindent 2 }}
data:
  paifang.yaml: |
    {{- .config | nindent 4 }}
{{- end -}}

{{- define "paifang.role.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "paifang.role.meta" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "paifang.role.selector" . | nindent 6 }}
{{- end -}}

{{- /* What both configurations begin with. .leave is in seconds. */ -}}
{{- define "paifang.role.process" -}}
data: /var/lib/paifang
admin:
  address: 127.0.0.1:{{ .root.Values.ports.admin }}
  public: 0.0.0.0:{{ .root.Values.ports.health }}
leave: {{ .leave }}s
drain: {{ .of.drainSeconds }}s
{{- end -}}

{{- /* What a gateway may read that finds pods by Services: with .namespaces in those, and in all otherwise. */ -}}
{{- define "paifang.gateway.access" -}}
{{- $role := .role -}}
{{- $kind := ternary "Role" "ClusterRole" (gt (len .namespaces) 0) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "paifang.role.meta" $role | nindent 2 }}
{{- range default (list "") .namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "paifang.gateway.place" (dict "role" $role "namespace" .) | nindent 2 }}
rules:
- {apiGroups: [""], resources: [services], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- include "paifang.gateway.place" (dict "role" $role "namespace" .) | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ $kind }}, name: {{ include "paifang.role.name" $role }}}
subjects:
- {kind: ServiceAccount, name: {{ include "paifang.role.name" $role }}, namespace: {{ $role.root.Release.Namespace }}}
{{- end }}
{{- end -}}

{{- define "paifang.gateway.place" -}}
name: {{ include "paifang.role.name" .role }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- include "paifang.role.labels" .role | nindent 2 }}
{{- end -}}

{{- /* The pod. .account, if any, is its service account. .ports, .mounts and .volumes are lists; .claim: the volume of /var/lib/paifang is that of a claim. */ -}}
{{- define "paifang.role.pod" -}}
metadata:
  labels:
    {{- include "paifang.role.selector" . | nindent 4 }}
    {{- with .of.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    paifang.dev/config: {{ .config | sha256sum | trunc 16 | quote }}
    {{- if .root.Values.metrics.annotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .root.Values.ports.health | quote }}
    {{- end }}
    {{- with .of.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- if .account }}
  serviceAccountName: {{ .account }}
  {{- else }}
  # It asks nothing of the API server.
  automountServiceAccountToken: false
  {{- end }}
  terminationGracePeriodSeconds: {{ add (max .leave 0) .of.drainSeconds 10 }}
  {{- with .of.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets: {{ toJson . }}
  {{- end }}
  {{- include "paifang.pod.user" . | nindent 2 }}
  containers:
  - name: paifang
    {{- include "paifang.container.image" .root | nindent 4 }}
    args: [serve, -c, /etc/paifang/paifang.yaml]
    # What others are told: the role listens on all addresses.
    env:
    - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    ports:
    {{- range .ports }}
    - {{ toJson . }}
    {{- end }}
    - {name: health, containerPort: {{ .root.Values.ports.health }}}
    {{- include "paifang.container.rights" . | nindent 4 }}
    {{- include "paifang.container.probes" . | nindent 4 }}
    resources:
      {{- toYaml .of.resources | nindent 6 }}
    volumeMounts:
    - {name: config, mountPath: /etc/paifang, readOnly: true}
    - {name: data, mountPath: /var/lib/paifang}
    - {name: tmp, mountPath: /tmp}
    {{- range .mounts }}
    - {{ toJson . }}
    {{- end }}
  volumes:
  - name: config
    configMap: {name: {{ include "paifang.role.name" . }}}
  - name: tmp
    emptyDir: {}
  {{- if not .claim }}
  - name: data
    emptyDir: {}
  {{- end }}
  {{- range .volumes }}
  - {{ toJson . }}
  {{- end }}
  {{- include "paifang.pod.placement" (dict "of" .of "labels" (include "paifang.role.selector" .) "spread" (not .claim)) | trim | nindent 2 }}
{{- end -}}
