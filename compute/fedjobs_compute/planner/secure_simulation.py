"""Replaces secure aggregation by sums in the clear, to try computations on one machine."""

from __future__ import annotations

import tensorflow_federated as tff
from tensorflow_federated.python.core.backends.test import compiler
from tensorflow_federated.python.core.impl.computation.computation_impl import ConcreteComputation


def with_sums_in_the_clear(computation: tff.Computation) -> tff.Computation:
    """Returns the computation with sums and selections in the clear, in place of secure ones.

    TFF's test runtime uses the same definitions. They check that the values are within the declared bounds.
    """
    replaced = compiler.replace_secure_intrinsics_with_bodies(computation)
    # The replacement goes through the serialized form, which has no Python containers.
    with_containers: tff.Computation = ConcreteComputation.with_type(replaced, computation.type_signature)
    return with_containers
