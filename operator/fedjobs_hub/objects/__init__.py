"""Silos, invitations and leases as they are written down, and what follows from them. Nothing here reads or writes."""
