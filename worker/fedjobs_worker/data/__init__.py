"""A silo's data: read by a process of its own, checked against what a shard asks for."""
