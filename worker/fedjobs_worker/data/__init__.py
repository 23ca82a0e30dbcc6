"""A silo's data, which a separate process reads, and the check against a shard's types."""
