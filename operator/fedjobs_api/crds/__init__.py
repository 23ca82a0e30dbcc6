"""Generates the CRDs and the admission policy from the API's models."""
