"""The objects that a FederatedJob consists of on a cluster, as pure functions to manifests."""
