"""Generates what the API server is told of the API: CRDs and an admission policy, from the API's models."""
