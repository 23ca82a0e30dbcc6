{{/*
What the operator does in a namespace with jobs, and nothing else. It watches what it owns by label, creates what cannot
change, and applies what can (patch, and create where there is none yet). It has no right on Secrets and Pods themselves;
but who may create Jobs in a namespace can mount any Secret there, and read it so. Without the value `namespaces` that is
every namespace of the cluster.
*/}}
{{- define "fedjobs.rights" -}}
- apiGroups: [fedjobs.dev]
  resources: [federatedjobs]
  verbs: [get, list, watch, delete] # get: whether a route is still of use; delete: ttlSecondsAfterFinished
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
  verbs: [list, watch, create, patch] # patch: an owner, once the result is elsewhere
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch] # get: what a job was resolved to, once after the operator was started
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch, delete] # delete: a job that is over or suspended holds no address
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list] # list: why a Job's controller could not make a pod
{{- end -}}

{{/*
What the hub reads of a job and its pods: whom it invites, and whose pod it is that shows a token.
*/}}
{{- define "fedjobs.hubRights" -}}
- apiGroups: [fedjobs.dev]
  resources: [federatedjobs]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get]
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
{{- end -}}
