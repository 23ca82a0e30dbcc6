"""The hub: the service of a federation that silos connect to."""
