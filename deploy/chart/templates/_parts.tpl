{{- /* What the pods of every role have in common. */ -}}
{{- define "paifang.pod.user" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "paifang.container.image" -}}
image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{- define "paifang.container.rights" -}}
# The file in the image has the capability to listen below 1024: without it in this list it cannot be started.
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
{{- end -}}

{{- define "paifang.container.probes" -}}
# Ready once every source was heard and every plane serves: up to 5 minutes for the first time.
startupProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 300}
readinessProbe: {httpGet: {path: /readyz, port: health}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2}
livenessProbe: {httpGet: {path: /healthz, port: health}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
{{- end -}}

{{- /* On which nodes: .of are the values of a role, .labels those of its pods. */ -}}
{{- define "paifang.pod.placement" -}}
{{- with .of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .of.affinity }}
affinity:
  {{- toYaml .of.affinity | nindent 2 }}
{{- else if .spread }}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- .labels | nindent 6 }}
  # Those of the Deployment's other version do not count: they are about to go, and would leave the new ones side by side.
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}
