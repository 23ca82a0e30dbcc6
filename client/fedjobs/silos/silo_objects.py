"""Reads and writes the Silo objects of the federation's cluster, as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeAlias

from fedjobs_api.names import API_VERSION, GROUP, VERSION
from fedjobs_common.errors import ErrorCode

from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection

Body: TypeAlias = Mapping[str, Any]
_MANAGER = "fedjobs-cli"
_KIND = {"group": GROUP, "version": VERSION, "plural": "silos"}
_MERGE = "application/merge-patch+json"
_NOT_FOUND = 404


class SiloObjects:
    """The Silos of a federation.

    Args:
        connection: The connection to the federation's cluster.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def find(self, name: str) -> Body | None:
        """Returns a Silo, or None if there is none with that name.

        Raises:
            ApiError: UNAVAILABLE.
        """
        try:
            with explained(f"Cannot read the silo {name}"):
                found: Body = self.connection.custom.get_cluster_custom_object(
                    **_KIND, name=name, _request_timeout=TIMEOUT_S
                )
        except ApiError as error:
            if error.status == _NOT_FOUND and error.reason == "NotFound":
                return None
            raise
        return found

    def get(self, name: str) -> Body:
        """Returns a Silo.

        Raises:
            ApiError: INVALID_JOB if there is no Silo with that name. The remedy suggests similar names. UNAVAILABLE.
        """
        found = self.find(name)
        if found is not None:
            return found
        close = difflib.get_close_matches(name, [silo["metadata"]["name"] for silo in self.all()], n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(close)}?" if close else "List the silos with: fedjobs silo list"
        message = f"There is no silo {name!r}."
        raise ApiError(ErrorCode.INVALID_JOB, message, remedy, status=_NOT_FOUND, reason="NotFound")

    def all(self) -> list[Body]:
        """Returns all Silos, sorted by name."""
        with explained("Cannot list the silos"):
            page = self.connection.custom.list_cluster_custom_object(**_KIND, _request_timeout=TIMEOUT_S)
        return sorted(page["items"], key=lambda silo: str(silo["metadata"]["name"]))

    def create(self, name: str, labels: Mapping[str, str]) -> Body:
        """Creates a Silo.

        Raises:
            ApiError: INVALID_JOB if the API server rejects it.
        """
        metadata = {"name": name, "labels": dict(labels)}
        with explained(f"The API server rejects the silo {name}"):
            made: Body = self.connection.custom.create_cluster_custom_object(
                **_KIND,
                body={"apiVersion": API_VERSION, "kind": "Silo", "metadata": metadata, "spec": {}},
                field_manager=_MANAGER,
                _request_timeout=TIMEOUT_S,
            )
        return made

    def change(self, silo: Body, change: Mapping[str, Any]) -> Body:
        """Patches fields of the Silo with this uid, and returns the patched object."""
        metadata = silo["metadata"]
        body = {**change, "metadata": {**change.get("metadata", {}), "uid": metadata["uid"]}}
        with explained(f"Cannot change the silo {metadata['name']}"):
            changed: Body = self.connection.custom.patch_cluster_custom_object(
                **_KIND,
                name=metadata["name"],
                body=body,
                field_manager=_MANAGER,
                _content_type=_MERGE,
                _request_timeout=TIMEOUT_S,
            )
        return changed

    def delete(self, silo: Body) -> None:
        """Deletes the Silo with this uid."""
        metadata = silo["metadata"]
        with explained(f"Cannot remove the silo {metadata['name']}"):
            self.connection.custom.delete_cluster_custom_object(
                **_KIND,
                name=metadata["name"],
                body={"preconditions": {"uid": metadata["uid"]}},
                _request_timeout=TIMEOUT_S,
            )

    def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Returns the base64-encoded data of a Secret, or None if it does not exist."""
        from kubernetes.client.exceptions import ApiException

        with explained(f"Cannot read the Secret {name} in namespace {namespace}"):
            try:
                found = self.connection.core.read_namespaced_secret(name, namespace, _request_timeout=TIMEOUT_S)
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise
                return None
        return dict(found.data or {})
