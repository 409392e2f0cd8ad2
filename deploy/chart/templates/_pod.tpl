{{- /* The pod, the same for both kinds. */ -}}
{{- define "paifang.pod" -}}
metadata:
  labels:
    {{- include "paifang.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    paifang.dev/config: {{ include "paifang.configFile" . | sha256sum | trunc 16 | quote }}
    {{- if .Values.metrics.annotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .Values.ports.health | quote }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "paifang.account" . }}
  terminationGracePeriodSeconds: {{ add .Values.leaveSeconds .Values.drainSeconds 10 }}
  {{- if and (eq .Values.kind "DaemonSet") .Values.hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets: {{ toJson . }}
  {{- end }}
  {{- include "paifang.pod.user" . | nindent 2 }}
  containers:
  - name: paifang
    {{- include "paifang.container.image" . | nindent 4 }}
    args: [serve, -c, /etc/paifang/paifang.yaml]
    ports:
    - {name: http, containerPort: {{ .Values.ports.http }}}
    - {name: https, containerPort: {{ .Values.ports.https }}}
    - {name: health, containerPort: {{ .Values.ports.health }}}
    {{- if .Values.webhook.enabled }}
    - {name: webhook, containerPort: {{ .Values.webhook.port }}}
    {{- end }}
    {{- include "paifang.container.rights" . | nindent 4 }}
    {{- include "paifang.container.probes" . | nindent 4 }}
    resources:
      {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
    - {name: config, mountPath: /etc/paifang, readOnly: true}
    - {name: tmp, mountPath: /tmp}
    {{- if and .Values.webhook.enabled .Values.webhook.certManager.enabled }}
    - {name: webhook, mountPath: /etc/paifang-webhook, readOnly: true}
    {{- end }}
  volumes:
  - name: config
    configMap: {name: {{ include "paifang.name" . }}}
  - name: tmp
    emptyDir: {}
  {{- if and .Values.webhook.enabled .Values.webhook.certManager.enabled }}
  - name: webhook
    secret: {secretName: {{ include "paifang.name" . }}-webhook}
  {{- end }}
  {{- include "paifang.pod.placement" (dict "of" .Values "labels" (include "paifang.selector" .) "spread" (eq .Values.kind "Deployment")) | trim | nindent 2 }}
{{- end -}}
