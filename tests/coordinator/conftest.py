from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs_coordinator import coordinator as coordinator_module

from .builders import Desk
from .object_stores import ObjectStore
from .sites import Site


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[ObjectStore]:
    store = ObjectStore()
    try:
        store.wait()
        yield store
    finally:
        store.end()


@pytest.fixture
def s3(s3_server: ObjectStore) -> ObjectStore:
    """An S3 server with one empty bucket, `models`."""
    s3_server.reset()
    return s3_server


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(coordinator_module, "_TICK_S", 0.02)
    site = Site(tmp_path)
    with site.pool, site.resources:
        yield site
        site.close_all()
