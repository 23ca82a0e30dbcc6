"""What the `fedjobs` command does on a Kubernetes cluster, with the rights of the person who types it."""
