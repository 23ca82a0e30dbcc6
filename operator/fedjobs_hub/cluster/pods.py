"""Identifies the pod of a ServiceAccount token, and its FederatedJob."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fedjobs_api.names import API_VERSION, KIND, JobRef
from fedjobs_common.errors import ErrorCode, FedjobsError

from fedjobs_hub.cluster.cluster_api import Body, ClusterApi, Resource
from fedjobs_hub.names import AUDIENCE

_ACCOUNT = "system:serviceaccount:"
_POD_NAME, _POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"
_LONGEST_TOKEN = 8 * 1024
_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True)
class PodToken:
    """A token that is bound to a pod, as reviewed by the API server.

    Attributes:
        namespace: The namespace of the pod.
        account: The pod's ServiceAccount.
        pod: The name of the pod.
        pod_uid: The uid of the pod.
    """

    namespace: str
    account: str
    pod: str
    pod_uid: str


def reviewed(api: ClusterApi, token: str) -> PodToken:
    """Lets the API server review a token. Blocks.

    Raises:
        FedjobsError: INVALID_TOKEN.
        ApiError: The cluster does not answer.
    """
    if not 0 < len(token) <= _LONGEST_TOKEN:
        raise _refused("it is not the token of a pod")
    return judged(api.review(token, AUDIENCE))


def judged(review: Mapping[str, Any]) -> PodToken:
    """Parses the status of a TokenReview.

    Raises:
        FedjobsError: INVALID_TOKEN.
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
    """Returns the uid of the FederatedJob whose coordinator a pod is. Blocks.

    Users can create Jobs with any owner. So the Job must be the one that the operator recorded in the status of the
    FederatedJob.

    Args:
        api: The cluster's API.
        token: The pod's token.
        namespaces: The namespaces of jobs. Empty for all namespaces.

    Raises:
        FedjobsError: INVALID_TOKEN, or UNAVAILABLE if the operator has not recorded a Job yet.
        ApiError: The cluster does not answer.
    """
    if namespaces and token.namespace not in namespaces:
        raise _refused(f"the hub does not watch the namespace {token.namespace}")
    pod = api.get(Resource.POD, token.namespace, token.pod)
    if pod is None or pod["metadata"]["uid"] != token.pod_uid or pod.get("status", {}).get("phase") in _OVER:
        raise _refused("its pod has ended or was deleted")
    job = _controller(api, pod, "batch/v1", "Job", Resource.JOB)
    federated_job = _controller(api, job, API_VERSION, KIND, Resource.FEDERATED_JOB)
    if "deletionTimestamp" in federated_job["metadata"]:
        raise _refused("its FederatedJob is being deleted")
    _check_recorded(job, federated_job)
    return str(federated_job["metadata"]["uid"])


def _check_recorded(job: Body, federated_job: Body) -> None:
    metadata, status = federated_job["metadata"], federated_job.get("status", {})
    recorded = (status.get("coordinator") or {}).get("jobUid")
    if recorded == job["metadata"]["uid"]:
        return
    number = JobRef(metadata["namespace"], metadata["name"], metadata["uid"]).number(job["metadata"]["name"])
    if number is not None and number > (status.get("attempt") or 0):
        message = f"The status of the FederatedJob {metadata['name']} does not name the Job of attempt {number} yet."
        raise FedjobsError(ErrorCode.UNAVAILABLE, message, "Try again.")
    raise _refused("its Job is not the one that the operator created for the FederatedJob")


def _controller(api: ClusterApi, body: Body, version: str, kind: str, resource: Resource) -> Body:
    """Returns the controlling owner of an object, if it has this kind and the same uid."""
    owners = [owner for owner in body["metadata"].get("ownerReferences", ()) if owner.get("controller")]
    if len(owners) == 1 and (owners[0]["apiVersion"], owners[0]["kind"]) == (version, kind):
        found = api.get(resource, body["metadata"]["namespace"], owners[0]["name"])
        if found is not None and found["metadata"]["uid"] == owners[0]["uid"]:
            return found
    raise _refused("its pod is not the coordinator of a FederatedJob")


def _refused(why: str) -> FedjobsError:
    return FedjobsError(
        ErrorCode.INVALID_TOKEN,
        f"The pod's token was rejected: {why}.",
        "Only the pods of coordinators and of the operator can get a certificate in this way.",
    )
