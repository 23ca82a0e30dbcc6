"""One local federation for all tests of a module, because starting silos takes as long as importing TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator

import fedjobs
import fedjobs.local
import pytest
from fedjobs.local import LocalFederation


@pytest.fixture(scope="session")
def federation() -> Iterator[LocalFederation]:
    """Three silos, with TFF's default context over them."""
    yield fedjobs.set_local_execution_context(num_silos=3)
    fedjobs.local.close()
