"""Whose pod it is that shows a token of its ServiceAccount."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_operator.names import API_VERSION, KIND

from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.names import AUDIENCE

_ACCOUNT = "system:serviceaccount:"
_POD_NAME, _POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"
_LONGEST_TOKEN = 8 * 1024
_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True)
class PodToken:
    """What the API server says of a token that is bound to a pod.

    Attributes:
        namespace: Of the pod.
        account: Its ServiceAccount.
        pod: Its name.
        pod_uid: Its UID.
    """

    namespace: str
    account: str
    pod: str
    pod_uid: str


def reviewed(api: ClusterApi, token: str) -> PodToken:
    """Asks the API server for what a token is; blocks.

    Raises:
        FedjobsError: TOKEN_REFUSED.
        ApiError: The cluster does not answer.
    """
    if not 0 < len(token) <= _LONGEST_TOKEN:
        raise _refused("it is no token of a pod")
    return judged(api.review(token, AUDIENCE))


def judged(review: Mapping[str, Any]) -> PodToken:
    """Reads the status of a TokenReview.

    Raises:
        FedjobsError: TOKEN_REFUSED.
    """
    if not review.get("authenticated") or AUDIENCE not in review.get("audiences", ()):
        raise _refused(f"the cluster does not accept it for the audience {AUDIENCE}")
    user = review.get("user", {})
    username, extra = user.get("username", ""), user.get("extra", {})
    pod, uid = extra.get(_POD_NAME, ()), extra.get(_POD_UID, ())
    namespace, _, account = username.removeprefix(_ACCOUNT).partition(":")
    if not username.startswith(_ACCOUNT) or not account or len(pod) != 1 or len(uid) != 1:
        raise _refused("it is not bound to a pod")
    return PodToken(namespace, account, pod[0], uid[0])


def job_of(api: ClusterApi, token: PodToken, namespaces: Collection[str] = ()) -> str:
    """The UID of the FederatedJob whose coordinator the pod is: pod, its Job, that one's FederatedJob; blocks.

    Args:
        api: Of the cluster.
        token: The pod's.
        namespaces: Of the jobs; none: all.

    Raises:
        FedjobsError: TOKEN_REFUSED.
        ApiError: The cluster does not answer.
    """
    if namespaces and token.namespace not in namespaces:
        raise _refused(f"the hub has no jobs in the namespace {token.namespace}")
    pod = api.get(Resource.POD, token.namespace, token.pod)
    if pod is None or pod["metadata"]["uid"] != token.pod_uid or pod.get("status", {}).get("phase") in _OVER:
        raise _refused("its pod is not there any more")
    job = _controller(api, pod, "batch/v1", "Job", Resource.JOB)
    federated_job = _controller(api, job, API_VERSION, KIND, Resource.FEDERATED_JOB)
    if "deletionTimestamp" in federated_job["metadata"]:
        raise _refused("its FederatedJob is being deleted")
    return str(federated_job["metadata"]["uid"])


def _controller(api: ClusterApi, body: Body, version: str, kind: str, resource: Resource) -> Body:
    """The object that controls this one, if it is of that kind and still the same."""
    owners = [owner for owner in body["metadata"].get("ownerReferences", ()) if owner.get("controller")]
    if len(owners) == 1 and (owners[0]["apiVersion"], owners[0]["kind"]) == (version, kind):
        found = api.get(resource, body["metadata"]["namespace"], owners[0]["name"])
        if found is not None and found["metadata"]["uid"] == owners[0]["uid"]:
            return found
    raise _refused("its pod is not the coordinator of a FederatedJob")


def _refused(why: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.TOKEN_REFUSED,
        f"The pod's token was refused: {why}.",
        "The hub's documentation says which pods may ask.",
    )
