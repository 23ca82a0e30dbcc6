"""Kubernetes for tests: an API server alone, in seconds (`api_servers`, `fixtures`); whole clusters (`local`, `kind`).

`python -m tests.cluster --help` lists what a person can do with clusters.
"""
