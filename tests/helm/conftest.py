from __future__ import annotations

import pytest

from tests.cluster import binaries
from tests.cluster.binaries import Module
from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import give_up
from tests.helm.charts import Helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The helm program that test clusters use. It is built if it does not exist, which takes a minute."""
    try:
        return Helm(binaries.ensured(Module.HELM) / "helm")
    except ClusterError as problem:
        give_up(f"no helm: {problem}")
        raise
