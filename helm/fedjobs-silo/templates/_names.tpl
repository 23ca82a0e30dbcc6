{{/* The name of the release's objects. */}}
{{- define "silo.name" -}}
{{- $name := .Values.nameOverride | default "fedjobs" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 53 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" }}
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
{{ with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The name of the Secret with the token. */}}
{{- define "silo.tokenSecret" -}}
{{ .Values.existingSecret | default (printf "%s-token" (include "silo.name" .)) }}
{{- end -}}

{{/* The port of outgoing connections to the federation or the proxy. */}}
{{- define "silo.outPort" -}}
{{- if .Values.proxy.url -}}
{{- regexFind "[0-9]+/?$" .Values.proxy.url | trimSuffix "/" | default "80" -}}
{{- else if .Values.dialAddress -}}
{{- regexFind "[0-9]+$" .Values.dialAddress -}}
{{- else -}}
{{- .Values.networkPolicy.frontDoorPort -}}
{{- end -}}
{{- end -}}

{{/* The environment variables of containers that connect to the federation. */}}
{{- define "silo.proxy" -}}
{{- with .Values.proxy.url }}
- {name: https_proxy, value: {{ . | quote }}}
{{- end }}
{{- with .Values.proxy.noProxy }}
- {name: no_proxy, value: {{ . | quote }}}
{{- end }}
{{- end -}}
