"""The hub's access to the API server of its cluster."""
