"""Maintains the authority in a Secret, and publishes the trusted certificates in a ConfigMap.

The first hub of a federation creates the authority. A later hub never replaces one that is gone: all silos would have
to enrol again. A person must restore it, or ask for a new one.
"""

from __future__ import annotations

from typing import Any

import structlog
from fedjobs_api import federations
from fedjobs_api.times import Clock
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_hub import names
from fedjobs_hub.certificates import authorities
from fedjobs_hub.certificates.authorities import Authority, MakeIssuer
from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.objects import silos
from fedjobs_hub.settings import Settings

_ATTEMPTS = 5
_LOG = structlog.get_logger(__name__)


class AuthorityController:
    """Maintains the authority. Several hubs can run it: if two hubs write, one gets a conflict and retries.

    The methods block.

    Args:
        api: The cluster's API.
        settings: The settings of the federation.
        make: Creates an issuer.
        clock: Returns the time.
    """

    def __init__(self, api: ClusterApi, settings: Settings, make: MakeIssuer, clock: Clock) -> None:
        self._api = api
        self._namespace = settings.own_namespace
        self._keys_namespace = settings.authority_namespace
        self._lifetimes = settings.lifetimes
        self._make = make
        self._clock = clock

    def look(self) -> Authority:
        """Updates, stores and publishes the authority. Returns it.

        Raises:
            ApiError: The cluster rejects a call or does not answer.
            FedjobsError: UNAVAILABLE if the Secret keeps changing. AUTHORITY_MISSING if there was an authority, and it
                is gone. FEDERATION_EXISTS if the cluster belongs to another release.
        """
        federations.check(self._api.get(Resource.CLUSTER_ROLE, None, names.FEDERATION), self._namespace)
        for _ in range(_ATTEMPTS):
            authority = self._looked()
            if authority is not None:
                self._publish(authority)
                return authority
        raise FedjobsError(ErrorCode.UNAVAILABLE, f"The Secret {names.AUTHORITY} keeps changing.", "Try again.")

    def _looked(self) -> Authority | None:
        """Returns the authority, or None if another hub has changed it meanwhile."""
        secret = self._api.get(Resource.SECRET, self._keys_namespace, names.AUTHORITY)
        if secret is None:
            if used := self._used_by():
                if self._api.get(Resource.SECRET, self._keys_namespace, names.AUTHORITY) is not None:
                    return None  # another hub has just created it
                raise _missing(self._keys_namespace, "does not exist", used)
            authority = authorities.first(self._clock(), self._make)
            if self._api.create(Resource.SECRET, self._secret(authority, {})) is None:
                return None
            _LOG.info("the federation has a new authority", secret=names.AUTHORITY)
            return authority
        annotations = secret["metadata"].get("annotations") or {}
        before = authorities.read(secret.get("data") or {}, annotations.get(names.ROTATED, ""))
        asked = annotations.get(names.ROTATE, "")
        if before is None:
            if not annotations.get(names.START_ANEW):
                raise _missing(self._keys_namespace, "holds no complete authority", self._used_by())
            del annotations[names.START_ANEW]
            after = authorities.first(self._clock(), self._make)
            _LOG.warning("the federation starts anew with a new authority; invite all silos again")
        else:
            after = authorities.advanced(before, asked, self._clock(), self._lifetimes, self._make)
        if after == before:
            return after
        if self._api.replace(Resource.SECRET, self._secret(after, secret["metadata"])) is None:
            return None
        _LOG.info(
            "the authority's generations have changed",
            issue_from=[each.issues_from.isoformat() for each in after.generations],
        )
        return after

    def _used_by(self) -> str:
        """Returns what shows that the federation had an authority before. Empty at its first start."""
        published = self._api.get(Resource.CONFIG_MAP, self._namespace, names.TRUST) or {}
        if published.get("data"):
            return f"the ConfigMap {names.TRUST} in namespace {self._namespace} contains its certificates"
        found, _ = self._api.all(Resource.SILO, None)
        enrolled = sorted(body["metadata"]["name"] for body in found if silos.parsed(body).enrolment.token_hash)
        return f"silos have enrolled with it: {', '.join(enrolled[:5])}" if enrolled else ""

    def _secret(self, authority: Authority, metadata: Body) -> dict[str, Any]:
        kept = {key: metadata[key] for key in ("resourceVersion", "labels", "annotations") if key in metadata}
        annotations = kept.get("annotations", {}) | ({names.ROTATED: authority.rotated} if authority.rotated else {})
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "labels": names.LABELS,
                **kept,
                "name": names.AUTHORITY,
                "namespace": self._keys_namespace,
                "annotations": annotations,
            },
            "type": "Opaque",
            "data": authorities.written(authority),
        }

    def _publish(self, authority: Authority) -> None:
        data = {
            names.SERVERS_TRUST: authority.servers_trust().decode(),
            names.SILOS_TRUST: authority.silos_trust().decode(),
        }
        found = self._api.get(Resource.CONFIG_MAP, self._namespace, names.TRUST)
        if found is not None and found.get("data") == data:
            return
        metadata = {"name": names.TRUST, "namespace": self._namespace, "labels": names.LABELS}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        if found is None:
            self._api.create(Resource.CONFIG_MAP, body)
        else:
            version = found["metadata"]["resourceVersion"]
            self._api.replace(Resource.CONFIG_MAP, body | {"metadata": metadata | {"resourceVersion": version}})


def _missing(namespace: str, what: str, used: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.AUTHORITY_MISSING,
        f"The Secret {names.AUTHORITY} in namespace {namespace} {what}, but this federation had an authority"
        f" before{f': {used}' if used else ''}. The hub does not replace it.",
        "Restore the Secret from a backup. To start anew and invite all silos again, delete the Secret if it exists,"
        f" and run: kubectl create secret generic {names.AUTHORITY} --namespace {namespace} && kubectl annotate secret"
        f" {names.AUTHORITY} --namespace {namespace} {names.START_ANEW}=true",
    )
