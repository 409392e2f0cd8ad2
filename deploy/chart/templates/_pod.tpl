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
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
  - name: paifang
    image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [serve, -c, /etc/paifang/paifang.yaml]
    ports:
    - {name: http, containerPort: {{ .Values.ports.http }}}
    - {name: https, containerPort: {{ .Values.ports.https }}}
    - {name: health, containerPort: {{ .Values.ports.health }}}
    {{- if .Values.webhook.enabled }}
    - {name: webhook, containerPort: {{ .Values.webhook.port }}}
    {{- end }}
    # The file in the image has the capability to listen below 1024: without it in this list it cannot be started.
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
    # Ready once every source was heard and every plane serves: up to 5 minutes for the first time.
    startupProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 300}
    readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2}
    livenessProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
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
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .Values.affinity }}
  affinity:
    {{- toYaml .Values.affinity | nindent 4 }}
  {{- else if eq .Values.kind "Deployment" }}
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "paifang.selector" . | nindent 8 }}
  {{- end }}
{{- end -}}
