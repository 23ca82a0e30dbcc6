"""What the operator reads from the API server, and what it changes there."""
