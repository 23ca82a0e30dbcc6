"""What the hub reads from its cluster's API server, and what it writes there."""
