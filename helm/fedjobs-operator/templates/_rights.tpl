{{/*
The operator's permissions in a namespace with jobs. It watches its objects by label, creates immutable objects, and uses
server-side apply for the others (patch, and create for new objects). It has no permissions on Secrets and Pods. But whoever
can create Jobs in a namespace can mount every Secret in it. Without the value `watchNamespaces`, this applies to all
namespaces of the cluster.
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
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, create, patch] # patch: sets the owner once the result is stored elsewhere
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch] # get: reads resolved jobs once after the operator starts
- apiGroups: [""]
  resources: [services]
  verbs: [create, patch, delete] # delete: an ended or suspended job has no Service
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, patch, delete]
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
