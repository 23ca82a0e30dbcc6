"""Kubernetes for tests: API servers without nodes (`api_servers`, `fixtures`), and clusters (`local`, `kind`).

`python -m tests.cluster --help` lists the commands.
"""
