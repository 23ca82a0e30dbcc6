"""The `fedjobs` commands for a Kubernetes cluster. They use the permissions of the user's kubeconfig."""
