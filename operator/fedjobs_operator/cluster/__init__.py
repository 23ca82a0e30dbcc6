"""Reads from the API server, and changes objects there."""
