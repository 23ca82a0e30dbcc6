{{/* agent.yaml: the configuration of the agent and its workers. JSON is valid YAML and keeps large numbers exact. */}}
{{- define "silo.agentFile" -}}
{{- $name := include "silo.name" . -}}
{{- $file := dict "silo" .Values.silo "configMap" $name "image" (include "silo.image" .) -}}
{{- $_ := set $file "imagePullPolicy" .Values.image.pullPolicy -}}
{{- with .Values.gpuImage }}{{ $_ := set $file "gpuImage" . }}{{ end -}}
{{- with .Values.imagePullSecrets }}{{ $_ := set $file "imagePullSecrets" . }}{{ end -}}
{{- if .Values.data.volume }}{{ $_ := set $file "data" .Values.data }}{{ end -}}
{{- with .Values.dialAddress }}{{ $_ := set $file "dialAddress" . }}{{ end -}}
{{- if .Values.proxy.url }}{{ $_ := set $file "proxy" .Values.proxy }}{{ end -}}
{{- $_ := set $file "sessionResources" .Values.worker.resources -}}
{{- $_ := set $file "gpuTimeoutSeconds" .Values.worker.gpuTimeoutSeconds -}}
{{- $_ := set $file "startDeadlineSeconds" .Values.worker.startDeadlineSeconds -}}
{{- with .Values.worker.runtimeClassName }}{{ $_ := set $file "runtimeClassName" . }}{{ end -}}
{{- toPrettyJson $file -}}
{{- end -}}

{{/* silo.yaml: the silo file. */}}
{{- define "silo.file" -}}
{{- pick .Values "silo" "datasets" "policy" "runner" | toPrettyJson -}}
{{- end -}}
