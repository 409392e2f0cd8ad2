{{- define "paifang.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "paifang.selector" -}}
app.kubernetes.io/name: paifang
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "paifang.labels" -}}
{{ include "paifang.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "paifang.account" -}}
{{ default (include "paifang.name" .) .Values.serviceAccount.name }}
{{- end -}}

{{- define "paifang.hasService" -}}
{{- if or (eq .Values.kind "Deployment") .Values.service.create }}yes{{ end -}}
{{- end -}}

{{- /* The configuration file: what the values say, and values.config over it. */ -}}
{{- define "paifang.config" -}}
admin:
  address: 127.0.0.1:{{ .Values.ports.admin }}
  public: 0.0.0.0:{{ .Values.ports.health }}
log: {format: json, access: stdout}
sources:
  kubernetes:
    controller: {{ .Values.ingressClass.controller }}
    {{- with .Values.ingressClass.adopt }}
    adopt: {{ toJson . }}
    {{- end }}
    {{- if .Values.ingressClass.unclassed }}
    unclassed: true
    {{- end }}
    {{- with .Values.namespaces }}
    namespaces: {{ toJson . }}
    {{- else }}
    {{- with .Values.namespaceSelector }}
    namespaceSelector: {{ quote . }}
    {{- end }}
    {{- end }}
    events: {{ .Values.events }}
    lease: {name: {{ include "paifang.name" . }}}
    {{- if not .Values.publish.enabled }}
    {{- else if .Values.publish.addresses }}
    publish: {addresses: {{ toJson .Values.publish.addresses }}}
    {{- else if .Values.publish.service }}
    publish: {service: {{ .Values.publish.service }}}
    {{- else if .Values.publish.nodes }}
    publish: {nodes: {{ .Values.publish.nodes }}, pods: "app.kubernetes.io/name=paifang,app.kubernetes.io/instance={{ .Release.Name }}"}
    {{- else if include "paifang.hasService" . }}
    publish: {service: {{ .Release.Namespace }}/{{ include "paifang.name" . }}}
    {{- end }}
ingress:
  nodes:
  - {name: ingress, http: "0.0.0.0:{{ .Values.ports.http }}", https: "0.0.0.0:{{ .Values.ports.https }}"}
bodies: {dir: /tmp}
leave: {{ .Values.leaveSeconds }}s
drain: {{ .Values.drainSeconds }}s
{{- if .Values.metrics.nginxNames }}
metrics: {nginx: true}
{{- end }}
{{- if .Values.webhook.enabled }}
webhook:
  address: 0.0.0.0:{{ .Values.webhook.port }}
  deny: {{ .Values.webhook.deny }}
  {{- if .Values.webhook.certManager.enabled }}
  cert: /etc/paifang-webhook/tls.crt
  key: /etc/paifang-webhook/tls.key
  {{- else }}
  register: {configuration: {{ include "paifang.name" . }}, secret: {{ include "paifang.name" . }}-webhook}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* What is written decides on rights. The file says it, since values.config may say otherwise than the values do. */ -}}
{{- define "paifang.publishes" -}}
{{- range $key, $value := dig "sources" "kubernetes" "publish" dict (fromYaml (include "paifang.configFile" .)) }}{{ if $value }}yes{{ end }}{{ end -}}
{{- end -}}

{{- /* Which addresses of Nodes are written, if any. */ -}}
{{- define "paifang.publishedNodes" -}}
{{- $publish := dig "sources" "kubernetes" "publish" dict (fromYaml (include "paifang.configFile" .)) -}}
{{- if not (or $publish.service $publish.addresses) }}{{ default "" $publish.nodes }}{{ end -}}
{{- end -}}

{{- define "paifang.events" -}}
{{- if dig "sources" "kubernetes" "events" true (fromYaml (include "paifang.configFile" .)) }}yes{{ end -}}
{{- end -}}

{{- /* The Service whose addresses are written, as namespace/name, where the namespaces that are read do not have it. */ -}}
{{- define "paifang.front" -}}
{{- $service := dig "sources" "kubernetes" "publish" "service" "" (fromYaml (include "paifang.configFile" .)) -}}
{{- if and $service .Values.namespaces (not (has (splitList "/" $service | first) .Values.namespaces)) }}{{ $service }}{{ end -}}
{{- end -}}

{{- define "paifang.configFile" -}}
{{- toYaml (mergeOverwrite (fromYaml (include "paifang.config" .)) .Values.config) -}}
{{- end -}}
