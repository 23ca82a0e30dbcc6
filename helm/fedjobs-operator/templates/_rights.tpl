{{/*
What the operator does in a namespace with jobs, and nothing else. It watches what it owns by label, creates what cannot
change, applies what can (patch, and create where there is none yet), and reads no Secret of anyone.
*/}}
{{- define "fedjobs.rights" -}}
- apiGroups: [fedjobs.dev]
  resources: [federatedjobs]
  verbs: [list, watch, delete] # delete: ttlSecondsAfterFinished
- apiGroups: [fedjobs.dev]
  resources: [federatedjobs/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, create]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create] # get: what a job was resolved to, once after the operator was started
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
