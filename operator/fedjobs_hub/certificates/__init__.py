"""The issuers of a federation's certificates, and the certificates."""
