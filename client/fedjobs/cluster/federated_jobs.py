"""FederatedJobs of one namespace, as the API server has them: JSON objects, read and written."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from fedjobs_common.errors import ErrorCode
from fedjobs_operator.names import GROUP, PLURAL, VERSION

from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection

Body: TypeAlias = Mapping[str, Any]
"""An object of the API."""
MANAGER = "fedjobs-cli"
"""Whom the API server names as the writer of a field."""
_KIND = {"group": GROUP, "version": VERSION, "plural": PLURAL}
_PAGE = 500
_WATCH_S = 45  # shorter than what balancers cut
_NOT_FOUND = 404


class FederatedJobs:
    """The jobs of the connection's namespace."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.namespace = connection.namespace

    def get(self, name: str) -> Body:
        """One job.

        Raises:
            ApiError: INVALID_JOB where there is none of that name, with the closest names; UNAVAILABLE.
        """
        try:
            with explained(f"The job {name} cannot be read"):
                found: Body = self.connection.custom.get_namespaced_custom_object(
                    **_KIND, namespace=self.namespace, name=name, _request_timeout=TIMEOUT_S
                )
        except ApiError as error:
            if error.status == _NOT_FOUND and error.reason == "NotFound":
                raise self._unknown(name) from error
            raise
        return found

    def all(self, *, everywhere: bool = False) -> list[Body]:
        """All jobs, by namespace and name.

        Args:
            everywhere: Of all namespaces.
        """
        found: list[Body] = []
        more: str | None = ""
        while more is not None:
            options = {**_KIND, "limit": _PAGE, "_request_timeout": TIMEOUT_S, **({"_continue": more} if more else {})}
            with explained("The jobs cannot be listed"):
                if everywhere:
                    page = self.connection.custom.list_cluster_custom_object(**options)
                else:
                    page = self.connection.custom.list_namespaced_custom_object(namespace=self.namespace, **options)
            found += page["items"]
            more = page["metadata"].get("continue") or None
        return sorted(found, key=lambda job: (job["metadata"]["namespace"], job["metadata"]["name"]))

    def create(self, job: Body) -> Body | None:
        """The job as it was made; None where there is one of that name already.

        Raises:
            ApiError: INVALID_JOB where the API server refuses it, with field and value; UNAVAILABLE.
        """
        try:
            with explained("The cluster refuses the job"):
                made: Body = self.connection.custom.create_namespaced_custom_object(
                    **_KIND,
                    namespace=self.namespace,
                    body=dict(job),
                    field_manager=MANAGER,
                    field_validation="Strict",
                    _request_timeout=TIMEOUT_S,
                )
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return None
            raise
        return made

    def suspend(self, job: Body, *, suspend: bool) -> Body:
        """Sets `spec.suspend` of this very job; returns it as it is then."""
        name = job["metadata"]["name"]
        change = {"metadata": {"uid": job["metadata"]["uid"]}, "spec": {"suspend": suspend}}
        with explained(f"The job {name} cannot be {'suspended' if suspend else 'resumed'}"):
            changed: Body = self.connection.custom.patch_namespaced_custom_object(
                **_KIND,
                namespace=self.namespace,
                name=name,
                body=change,
                field_manager=MANAGER,
                _content_type="application/merge-patch+json",
                _request_timeout=TIMEOUT_S,
            )
        return changed

    def delete(self, job: Body) -> None:
        """Deletes this very job, not another one that got its name in the meantime."""
        metadata = job["metadata"]
        with explained(f"The job {metadata['name']} cannot be deleted"):
            self.connection.custom.delete_namespaced_custom_object(
                **_KIND,
                namespace=self.namespace,
                name=metadata["name"],
                body={"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"},
                _request_timeout=TIMEOUT_S,
            )

    def changes(self, job: Body) -> Iterator[tuple[str, Body]]:
        """What happens to a job after this state of it, for a while: ADDED, MODIFIED or DELETED, and the job then."""
        from kubernetes.watch import Watch

        metadata = job["metadata"]
        with explained(f"The job {metadata['name']} cannot be watched"):
            events = Watch().stream(
                self.connection.custom.list_namespaced_custom_object,
                **_KIND,
                namespace=self.namespace,
                field_selector=f"metadata.name={metadata['name']}",
                resource_version=metadata["resourceVersion"],
                timeout_seconds=_WATCH_S,
                _request_timeout=TIMEOUT_S,
            )
            for event in events:
                yield event["type"], event["object"]

    def _unknown(self, name: str) -> ApiError:
        try:
            known = [job["metadata"]["name"] for job in self.all()]
        except ApiError:
            known = []
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if close:
            remedy = f"Did you mean {' or '.join(close)}?"
        elif known:
            remedy = f"There are: {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}."
        else:
            remedy = "There are no jobs there; choose another with --namespace, or see fedjobs list --all-namespaces."
        message = f"There is no job {name!r} in namespace {self.namespace!r}."
        return ApiError(ErrorCode.INVALID_JOB, message, remedy, status=_NOT_FOUND, reason="NotFound")
