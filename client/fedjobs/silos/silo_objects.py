"""Silos as the API server of the federation's cluster has them: JSON objects, read and written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeAlias

from fedjobs_common.errors import ErrorCode
from fedjobs_operator.names import API_VERSION, GROUP, VERSION

from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection

Body: TypeAlias = Mapping[str, Any]
_MANAGER = "fedjobs-cli"
_KIND = {"group": GROUP, "version": VERSION, "plural": "silos"}
_MERGE = "application/merge-patch+json"
_NOT_FOUND = 404


class SiloObjects:
    """All Silos of a federation.

    Args:
        connection: To its cluster.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def find(self, name: str) -> Body | None:
        """One Silo; None where there is none of that name.

        Raises:
            ApiError: UNAVAILABLE.
        """
        try:
            with explained(f"The silo {name} cannot be read"):
                found: Body = self.connection.custom.get_cluster_custom_object(
                    **_KIND, name=name, _request_timeout=TIMEOUT_S
                )
        except ApiError as error:
            if error.status == _NOT_FOUND and error.reason == "NotFound":
                return None
            raise
        return found

    def get(self, name: str) -> Body:
        """One Silo.

        Raises:
            ApiError: INVALID_JOB where there is none of that name, with the closest names; UNAVAILABLE.
        """
        found = self.find(name)
        if found is not None:
            return found
        close = difflib.get_close_matches(name, [silo["metadata"]["name"] for silo in self.all()], n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(close)}?" if close else "See fedjobs silo list."
        message = f"There is no silo {name!r}."
        raise ApiError(ErrorCode.INVALID_JOB, message, remedy, status=_NOT_FOUND, reason="NotFound")

    def all(self) -> list[Body]:
        """All Silos, by name."""
        with explained("The silos cannot be listed"):
            page = self.connection.custom.list_cluster_custom_object(**_KIND, _request_timeout=TIMEOUT_S)
        return sorted(page["items"], key=lambda silo: str(silo["metadata"]["name"]))

    def create(self, name: str, labels: Mapping[str, str]) -> Body:
        """A new Silo.

        Raises:
            ApiError: INVALID_JOB where the API server refuses it.
        """
        metadata = {"name": name, "labels": dict(labels)}
        with explained(f"The cluster refuses the silo {name}"):
            made: Body = self.connection.custom.create_cluster_custom_object(
                **_KIND,
                body={"apiVersion": API_VERSION, "kind": "Silo", "metadata": metadata, "spec": {}},
                field_manager=_MANAGER,
                _request_timeout=TIMEOUT_S,
            )
        return made

    def change(self, silo: Body, change: Mapping[str, Any]) -> Body:
        """Changes these fields of this very Silo; returns it as it is then."""
        metadata = silo["metadata"]
        body = {**change, "metadata": {**change.get("metadata", {}), "uid": metadata["uid"]}}
        with explained(f"The silo {metadata['name']} cannot be changed"):
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
        """Deletes this very Silo."""
        metadata = silo["metadata"]
        with explained(f"The silo {metadata['name']} cannot be removed"):
            self.connection.custom.delete_cluster_custom_object(
                **_KIND,
                name=metadata["name"],
                body={"preconditions": {"uid": metadata["uid"]}},
                _request_timeout=TIMEOUT_S,
            )

    def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """The data of a Secret, as they are written; None where there is none."""
        from kubernetes.client.exceptions import ApiException

        with explained(f"The Secret {name} of namespace {namespace} cannot be read"):
            try:
                found = self.connection.core.read_namespaced_secret(name, namespace, _request_timeout=TIMEOUT_S)
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise
                return None
        return dict(found.data or {})
