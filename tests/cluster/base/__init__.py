"""The base of the project's images where the Dockerfile's own base cannot be pulled."""
