"""The hub's gRPC servers and services."""
