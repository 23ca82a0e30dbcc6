{{/* The name of everything in the release's namespace. */}}
{{- define "fedjobs.name" -}}
{{- if contains "fedjobs" .Release.Name -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-fedjobs" .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* The name of what belongs to no namespace: two releases of one name may live in two namespaces. */}}
{{- define "fedjobs.clusterName" -}}
{{ include "fedjobs.name" . }}.{{ .Release.Namespace }}
{{- end -}}

{{- define "fedjobs.selector" -}}
app.kubernetes.io/name: fedjobs
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "fedjobs.labels" -}}
{{ include "fedjobs.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* An image of this project; called with the root and the image's name. */}}
{{- define "fedjobs.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.repository }}/fedjobs-{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end -}}
