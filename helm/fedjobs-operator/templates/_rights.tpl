{{/*
The operator's permissions in a namespace with jobs. It creates its objects, and reads an object that has the name of one of
them (get), because it leaves objects of others alone. It uses server-side apply (patch) for a ConfigMap of its own that
changes. It has no permissions on Secrets and Pods. But whoever can create Jobs in a namespace can mount every Secret in it,
and RBAC cannot limit patch to the operator's own objects, whose names contain those of the jobs. Without the value
`watchNamespaces`, this applies to all namespaces of the cluster.
*/}}
{{- define "fedjobs.rights" -}}
- apiGroups: [fedjobs.dev]
  resources: [federatedjobs]
  verbs: [get, list, watch, delete] # get: checks whether a route is still used; delete: ttlSecondsAfterFinished
- apiGroups: [fedjobs.dev]
  resources: [federatedjobs/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete] # patch: suspends and resumes
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch] # patch: sets the owner once the result is stored elsewhere
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch] # patch: the certificates of a rotated authority
- apiGroups: [""]
  resources: [services]
  verbs: [get, create, delete] # delete: an ended or suspended job has no Service
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [create, list] # list: finds out why the Job controller could not create a pod
{{- end -}}

{{/*
The hub's permissions on jobs and their pods: it reads the invited silos, and identifies the pod of a service account token.
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
