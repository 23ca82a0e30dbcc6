"""The issuers of a federation's certificates, and what they certify."""
