"""The processes that run TensorFlow, without keys and network access, and the session's client for them."""
