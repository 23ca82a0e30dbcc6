"""Reads and writes the FederatedJobs of a namespace, as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from fedjobs_api.names import GROUP, PLURAL, VERSION
from fedjobs_common.errors import ErrorCode

from fedjobs.cluster.api_errors import ApiError, explained
from fedjobs.cluster.connections import TIMEOUT_S, Connection

Body: TypeAlias = Mapping[str, Any]
"""A JSON object of the API."""
MANAGER = "fedjobs-cli"
"""The field manager of the CLI's writes."""
_KIND = {"group": GROUP, "version": VERSION, "plural": PLURAL}
_PAGE = 500
_WATCH_S = 45  # shorter than the idle timeout of common load balancers
_NOT_FOUND = 404


class FederatedJobs:
    """The jobs of the connection's namespace."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.namespace = connection.namespace

    def get(self, name: str) -> Body:
        """Returns a job.

        Raises:
            ApiError: INVALID_JOB if there is no job with that name. The remedy suggests similar names. UNAVAILABLE.
        """
        try:
            with explained(f"Cannot read the job {name}"):
                found: Body = self.connection.custom.get_namespaced_custom_object(
                    **_KIND, namespace=self.namespace, name=name, _request_timeout=TIMEOUT_S
                )
        except ApiError as error:
            if error.status == _NOT_FOUND and error.reason == "NotFound":
                raise self._unknown(name) from error
            raise
        return found

    def all(self, *, everywhere: bool = False) -> list[Body]:
        """Returns all jobs, sorted by namespace and name.

        Args:
            everywhere: Whether to list the jobs of all namespaces.
        """
        found: list[Body] = []
        more: str | None = ""
        while more is not None:
            options = {**_KIND, "limit": _PAGE, "_request_timeout": TIMEOUT_S, **({"_continue": more} if more else {})}
            with explained("Cannot list the jobs"):
                if everywhere:
                    page = self.connection.custom.list_cluster_custom_object(**options)
                else:
                    page = self.connection.custom.list_namespaced_custom_object(namespace=self.namespace, **options)
            found += page["items"]
            more = page["metadata"].get("continue") or None
        return sorted(found, key=lambda job: (job["metadata"]["namespace"], job["metadata"]["name"]))

    def create(self, job: Body) -> Body | None:
        """Creates a job. Returns the created object, or None if a job with that name exists.

        Raises:
            ApiError: INVALID_JOB if the API server rejects the job, with field and value. UNAVAILABLE.
        """
        try:
            with explained("The API server rejects the job"):
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
        """Sets `spec.suspend` of the job with this uid, and returns the patched object."""
        name = job["metadata"]["name"]
        change = {"metadata": {"uid": job["metadata"]["uid"]}, "spec": {"suspend": suspend}}
        with explained(f"Cannot {'suspend' if suspend else 'resume'} the job {name}"):
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
        """Deletes the job with this uid, and not a newer job with the same name."""
        metadata = job["metadata"]
        with explained(f"Cannot delete the job {metadata['name']}"):
            self.connection.custom.delete_namespaced_custom_object(
                **_KIND,
                namespace=self.namespace,
                name=metadata["name"],
                body={"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"},
                _request_timeout=TIMEOUT_S,
            )

    def changes(self, job: Body) -> Iterator[tuple[str, Body]]:
        """Watches a job from this resource version for up to 45 s. Yields the event type and the job."""
        from kubernetes.watch import Watch

        metadata = job["metadata"]
        with explained(f"Cannot watch the job {metadata['name']}"):
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
            remedy = f"The jobs in this namespace are: {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}."
        else:
            remedy = (
                "This namespace has no jobs. Choose another with --namespace, or list the jobs of all namespaces with: "
                "fedjobs list --all-namespaces"
            )
        message = f"There is no job {name!r} in namespace {self.namespace!r}."
        return ApiError(ErrorCode.INVALID_JOB, message, remedy, status=_NOT_FOUND, reason="NotFound")
