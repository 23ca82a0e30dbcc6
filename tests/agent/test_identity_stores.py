"""What an identity store keeps over restarts. One contract suite covers folders and Secrets."""

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

    def test_a_new_store_is_empty(self, store: IdentityStore) -> None:
        assert dict(store.read()) == {}

    def test_a_stored_identity_is_read(self, store: IdentityStore) -> None:
        store.write(FILES)
        assert dict(store.read()) == FILES

    def test_a_later_identity_replaces_the_first(self, store: IdentityStore) -> None:
        store.write({"tls.key": b"key"})
        store.write(FILES)
        store.write({**FILES, "tls.crt": b"next"})
        assert dict(store.read()) == {**FILES, "tls.crt": b"next"}


class TestFolder(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> IdentityStore:
        return FolderStore(tmp_path / "identity")

    def test_only_the_owner_can_read_the_files(self, store: IdentityStore, tmp_path: Path) -> None:
        store.write(FILES)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "identity").iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE((tmp_path / "identity").stat().st_mode) == 0o700

    def test_a_folder_that_cannot_be_created_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(FedjobsError, match="cannot be used"):
            FolderStore(tmp_path / "file/identity").write(FILES)


@pytest.mark.api_server
class TestSecret(StoreContract):
    @pytest.fixture
    def store(self, api_server: Any, api_namespace: str) -> IdentityStore:
        return SecretStore(Cluster(connected(api_server.kubeconfig), api_namespace), "fedjobs-identity")
