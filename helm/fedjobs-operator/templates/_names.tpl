{{/* The beginning of all names in the release's namespace. */}}
{{- define "fedjobs.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else -}}
{{- $name := .Values.nameOverride | default "fedjobs" -}}
{{- if contains $name .Release.Name -}}
{{ .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The operator: a release that is called fedjobs-operator does not repeat the word. */}}
{{- define "fedjobs.operator" -}}
{{- $name := include "fedjobs.fullname" . -}}
{{ $name | trimSuffix "-operator" }}-operator
{{- end -}}

{{/* The name of what belongs to no namespace: two releases of one name may live in two namespaces. */}}
{{- define "fedjobs.clusterName" -}}
{{ include "fedjobs.fullname" . }}.{{ .Release.Namespace }}
{{- end -}}

{{/* The pods of one part; called with the root and the part: operator, hub or front-door. */}}
{{- define "fedjobs.selectorOf" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: fedjobs
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of what belongs to one part; called as selectorOf. */}}
{{- define "fedjobs.labelsOf" -}}
{{- $root := index . 0 -}}
{{ include "fedjobs.selectorOf" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end -}}

{{- define "fedjobs.selector" -}}
{{ include "fedjobs.selectorOf" (list . "operator") }}
{{- end -}}

{{- define "fedjobs.labels" -}}
{{ include "fedjobs.labelsOf" (list . "operator") }}
{{- end -}}

{{- define "fedjobs.hub" -}}
{{ include "fedjobs.fullname" . }}-hub
{{- end -}}

{{- define "fedjobs.frontDoor" -}}
{{ include "fedjobs.fullname" . }}-front-door
{{- end -}}

{{/* The federation's name, which silos dial and certificates have. */}}
{{- define "fedjobs.host" -}}
{{- required "frontDoor.host is missing: say the name that silos dial, --set frontDoor.host=fedjobs.example.org" .Values.frontDoor.host -}}
{{- end -}}

{{/* host:port that silos dial. */}}
{{- define "fedjobs.address" -}}
{{- .Values.frontDoor.address | default (printf "%s:443" (include "fedjobs.host" .)) -}}
{{- end -}}

{{/* The end of the names of this namespace's Services, for who knows no search list. */}}
{{- define "fedjobs.services" -}}
{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{/* What keeps a container in its place. */}}
{{- define "fedjobs.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What keeps a pod in its place. */}}
{{- define "fedjobs.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Where pods of one part go: pull secrets, nodeSelector, tolerations, affinity; called with the root and the part's values. */}}
{{- define "fedjobs.placed" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Not all pods of one part on one node; called as selectorOf. */}}
{{- define "fedjobs.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "fedjobs.selectorOf" . | nindent 8 }}
{{- end -}}

{{/* An image of this project; called with the root and the image's repository. */}}
{{- define "fedjobs.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end }}{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end -}}
