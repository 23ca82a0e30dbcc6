"""Pure functions for Silos, invitations and Leases: parsing, checks and changes."""
