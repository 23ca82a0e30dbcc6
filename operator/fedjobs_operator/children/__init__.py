"""Pure functions that return the manifests of a FederatedJob's child objects."""
