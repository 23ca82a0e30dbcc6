"""The hub's ports, and the answers to whoever calls them."""
