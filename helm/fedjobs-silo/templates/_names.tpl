{{/* The name of everything. */}}
{{- define "silo.name" -}}
{{- if contains "fedjobs" .Release.Name -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-fedjobs" .Release.Name | trunc 53 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "silo.selector" -}}
app.kubernetes.io/name: fedjobs
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{- define "silo.labels" -}}
app.kubernetes.io/name: fedjobs
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "silo.image" -}}
{{ .Values.image.repository }}/fedjobs-worker:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The Secret that has the token. */}}
{{- define "silo.tokenSecret" -}}
{{ .Values.existingSecret | default (printf "%s-token" (include "silo.name" .)) }}
{{- end -}}

{{/* The port by which the federation is reached. */}}
{{- define "silo.outPort" -}}
{{- if .Values.proxy.url -}}
{{- regexFind "[0-9]+/?$" .Values.proxy.url | trimSuffix "/" | default "80" -}}
{{- else if .Values.dialAddress -}}
{{- regexFind "[0-9]+$" .Values.dialAddress -}}
{{- else -}}
{{- .Values.network.frontDoorPort -}}
{{- end -}}
{{- end -}}

{{/* The environment of what dials out. */}}
{{- define "silo.proxy" -}}
{{- with .Values.proxy.url }}
- {name: https_proxy, value: {{ . | quote }}}
{{- end }}
{{- with .Values.proxy.exceptions }}
- {name: no_proxy, value: {{ . | quote }}}
{{- end }}
{{- end -}}
