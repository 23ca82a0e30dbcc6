{{/* The prefix of all names in the release's namespace. */}}
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

{{/* The name of the operator. A release named fedjobs-operator does not repeat "operator". */}}
{{- define "fedjobs.operator" -}}
{{- $name := include "fedjobs.fullname" . -}}
{{ $name | trimSuffix "-operator" }}-operator
{{- end -}}

{{/* The name of cluster-scoped objects. It contains the namespace, because two namespaces may have releases of one name. */}}
{{- define "fedjobs.clusterName" -}}
{{ include "fedjobs.fullname" . }}.{{ .Release.Namespace }}
{{- end -}}

{{/* The selector of a component's pods. Call it with the root and the component: operator, hub or front-door. */}}
{{- define "fedjobs.selectorOf" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: fedjobs
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of a component's objects. Call it like selectorOf. */}}
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

{{/* The federation's host name, which silos connect to and certificates contain. */}}
{{- define "fedjobs.host" -}}
{{- required "frontDoor.host is not set. Set it to the host name that silos connect to, for example: --set frontDoor.host=fedjobs.example.org" .Values.frontDoor.host -}}
{{- end -}}

{{/* The host:port that silos connect to. */}}
{{- define "fedjobs.address" -}}
{{- .Values.frontDoor.address | default (printf "%s:443" (include "fedjobs.host" .)) -}}
{{- end -}}

{{/* The DNS suffix of this namespace's Services. nginx does not use search domains. */}}
{{- define "fedjobs.services" -}}
{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{/* The security context of a container. */}}
{{- define "fedjobs.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The security context of a pod. */}}
{{- define "fedjobs.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Pull secrets, nodeSelector, tolerations and affinity. Call it with the root and the component's values. */}}
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

{{/* Spreads a component's pods over nodes. Call it like selectorOf. */}}
{{- define "fedjobs.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "fedjobs.selectorOf" . | nindent 8 }}
{{- end -}}

{{/* An image of this project. Call it with the root and the image's repository. */}}
{{- define "fedjobs.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end }}{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end -}}

{{/* The namespace of the authority's keys. */}}
{{- define "fedjobs.authorityNamespace" -}}
{{- $namespace := .Values.hub.authority.namespace | default (printf "%s-authority" (trunc 53 .Release.Namespace)) -}}
{{- if eq $namespace .Release.Namespace -}}
{{- fail (printf "hub.authority.namespace is %s, the release's namespace. Whoever invites silos can read the Secrets there: set another namespace" $namespace) -}}
{{- end -}}
{{ $namespace }}
{{- end -}}
