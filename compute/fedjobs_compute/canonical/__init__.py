"""Canonical TensorFlow graphs: tracing the same computation in another process gives the same bytes."""

from fedjobs_compute.canonical.attributes import is_stateful
from fedjobs_compute.canonical.graphs import CanonicalGraph, canonical_graph, canonical_library
from fedjobs_compute.canonical.nodes import CanonicalError
from fedjobs_compute.canonical.shards import canonical_shard

__all__ = ["CanonicalError", "CanonicalGraph", "canonical_graph", "canonical_library", "canonical_shard", "is_stateful"]
