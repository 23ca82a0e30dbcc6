"""The silo's decisions: its policy, approvals, usage limits and audit log."""
