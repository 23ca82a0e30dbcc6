"""What images stand on where the Dockerfile's own base cannot be pulled."""
