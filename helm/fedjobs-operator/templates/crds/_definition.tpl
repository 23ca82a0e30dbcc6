{{/*
A definition from a file, kept or not. It is changed as text: read as YAML and written again, large numbers would be floats.
*/}}
{{- define "fedjobs.definition" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) | required (printf "%s is not in the chart" (index . 1)) -}}
{{- if $root.Values.crds.keep -}}
{{- $text = replace "\nmetadata:\n" "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n" $text -}}
{{- end -}}
{{ $text }}
{{- end -}}
