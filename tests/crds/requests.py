"""Creates and changes FederatedJobs on an API server, and returns the server's errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import GROUP, PLURAL, VERSION
from kubernetes.client import ApiClient, ApiException, CustomObjectsApi


class Refused(Exception):  # noqa: N818
    """The server refused the request. `causes` maps the paths of fields to messages."""

    def __init__(self, error: ApiException) -> None:
        status = json.loads(error.body)
        super().__init__(status["message"])
        causes = status.get("details", {}).get("causes", ())
        self.causes = [(cause.get("field", ""), cause.get("message", "")) for cause in causes]

    def of(self, path: str) -> str:
        """Returns the message about a field or about a part of it."""
        return "\n".join(
            said for field, said in self.causes if field == path or field.startswith((f"{path}.", f"{path}["))
        )


@dataclass(frozen=True)
class Jobs:
    """The FederatedJobs of one namespace, as one user."""

    client: ApiClient
    namespace: str

    def _call(self, method: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        call = getattr(CustomObjectsApi(self.client), f"{method}_namespaced_custom_object")
        try:
            found: dict[str, Any] = call(GROUP, VERSION, self.namespace, PLURAL, *arguments, **options)
        except ApiException as error:
            raise Refused(error) from None
        return found

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        return self._call("create", job)

    def try_to_create(self, job: dict[str, Any]) -> dict[str, Any]:
        """Returns what the server would store, without storing it. Unknown fields are refused, as with kubectl."""
        return self._call("create", job, dry_run="All", field_validation="Strict")

    def change(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Merges a patch. Null removes a field."""
        return self._call("patch", name, patch, _content_type="application/merge-patch+json")

    def write_status(self, name: str, status: dict[str, Any]) -> dict[str, Any]:
        options = {"_content_type": "application/merge-patch+json"}
        call = CustomObjectsApi(self.client).patch_namespaced_custom_object_status
        try:
            found: dict[str, Any] = call(GROUP, VERSION, self.namespace, PLURAL, name, {"status": status}, **options)
        except ApiException as error:
            raise Refused(error) from None
        return found
