"""What is kept over restarts: one suite for folders and Secrets."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from fedjobs_agent.cluster_api import Cluster, connected
from fedjobs_agent.identity.identity_stores import FolderStore, IdentityStore, SecretStore
from fedjobs_common.errors import FedjobsError

FILES = {"tls.key": b"key", "tls.crt": b"certificate", "ca.crt": b"trust", "federation.json": b"{}"}


class StoreContract:
    @pytest.fixture
    def store(self) -> IdentityStore:
        raise NotImplementedError

    def test_at_first_there_is_nothing(self, store: IdentityStore) -> None:
        assert dict(store.read()) == {}

    def test_what_was_written_is_read(self, store: IdentityStore) -> None:
        store.write(FILES)
        assert dict(store.read()) == FILES

    def test_what_is_written_later_takes_the_place_of_the_first(self, store: IdentityStore) -> None:
        store.write({"tls.key": b"key"})
        store.write(FILES)
        store.write({**FILES, "tls.crt": b"next"})
        assert dict(store.read()) == {**FILES, "tls.crt": b"next"}


class TestFolder(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> IdentityStore:
        return FolderStore(tmp_path / "identity")

    def test_nobody_else_can_read_it(self, store: IdentityStore, tmp_path: Path) -> None:
        store.write(FILES)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "identity").iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE((tmp_path / "identity").stat().st_mode) == 0o700

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(FedjobsError, match="cannot be used"):
            FolderStore(tmp_path / "file/identity").write(FILES)


@pytest.mark.api_server
class TestSecret(StoreContract):
    @pytest.fixture
    def store(self, api_server: Any, api_namespace: str) -> IdentityStore:
        return SecretStore(Cluster(connected(api_server.kubeconfig), api_namespace), "fedjobs-identity")
