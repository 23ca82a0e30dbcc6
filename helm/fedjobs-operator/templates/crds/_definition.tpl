{{/*
A CustomResourceDefinition from a file, with the keep policy if it is enabled. The file is changed as text, because parsing
and writing YAML would turn large numbers into floats.
*/}}
{{- define "fedjobs.definition" -}}
{{- $root := index . 0 -}}
{{- $text := $root.Files.Get (index . 1) | required (printf "%s is not in the chart" (index . 1)) -}}
{{- if $root.Values.crds.keep -}}
{{- $text = replace "\nmetadata:\n" "\nmetadata:\n  annotations:\n    helm.sh/resource-policy: keep\n" $text -}}
{{- end -}}
{{ $text }}
{{- end -}}
