"""Finds the cluster and the namespace to use, in the same way as kubectl."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, BatchV1Api, CoreV1Api, CustomObjectsApi

_DEFAULT_FILE = "~/.kube/config"
_DEFAULT_NAMESPACE = "default"
_IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT_S = (10.0, 60.0)
"""The connect timeout and the read timeout of a call."""


@dataclass(frozen=True)
class Target:
    """The cluster options on the command line. None means kubectl's default."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in (self.kubeconfig, self.context, self.namespace))

    def options(self) -> str:
        """Returns the options as text to append to a command in a hint, with a leading space."""
        given = {"--kubeconfig": self.kubeconfig, "--context": self.context, "--namespace": self.namespace}
        return "".join(f" {name} {value}" for name, value in given.items() if value is not None)


@dataclass(frozen=True)
class Connection:
    """A connection to a cluster, with a default namespace.

    Attributes:
        client: The API client of the `kubernetes` package.
        namespace: The namespace of the option, else of the context, else `default`.
        target: The options that the connection was made from.
    """

    client: ApiClient
    namespace: str
    target: Target

    @cached_property
    def custom(self) -> CustomObjectsApi:
        from kubernetes.client import CustomObjectsApi

        return CustomObjectsApi(self.client)

    @cached_property
    def core(self) -> CoreV1Api:
        from kubernetes.client import CoreV1Api

        return CoreV1Api(self.client)

    @cached_property
    def batch(self) -> BatchV1Api:
        from kubernetes.client import BatchV1Api

        return BatchV1Api(self.client)

    def plain(self, value: Any) -> Any:
        """Converts an object of the client to the JSON of the API."""
        return self.client.sanitize_for_serialization(value)


def connect(target: Target) -> Connection:
    """Creates a connection without sending a request.

    Uses `--kubeconfig`, else $KUBECONFIG (a list of files), else ~/.kube/config, else the pod's service account.

    Raises:
        FedjobsError: UNAVAILABLE if there is no configuration, or if the package `kubernetes` is not installed.
    """
    try:
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import ConfigException, load_incluster_config
        from kubernetes.config.kube_config import load_kube_config
    except ImportError as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            "This command needs the Python package 'kubernetes', which is not installed.",
            "Install it with: pip install 'fedjobs[cluster]'",
        ) from error

    configuration = Configuration()
    files = _files(target)
    if not files and target.context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        load_incluster_config(client_configuration=configuration)
        return Connection(ApiClient(configuration), target.namespace or _in_cluster_namespace(), target)
    if not files:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"There is no kubeconfig: {_named(target)} does not exist.",
            "Set KUBECONFIG, or choose a file with --kubeconfig.",
        )
    try:
        name, context = _context(files, target)
        load_kube_config(files, name, client_configuration=configuration, persist_config=False)
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FedjobsError(
            ErrorCode.UNAVAILABLE,
            f"Cannot use the kubeconfig {files}: {' '.join(str(error).split())}",
            "Correct it. kubectl config view shows its content.",
        ) from error
    namespace = target.namespace or context.get("namespace") or _DEFAULT_NAMESPACE
    return Connection(ApiClient(configuration), namespace, target)


def _named(target: Target) -> str:
    return str(target.kubeconfig) if target.kubeconfig else os.environ.get("KUBECONFIG") or _DEFAULT_FILE


def _files(target: Target) -> str:
    """Returns the existing kubeconfig files in order of precedence."""
    names = [str(target.kubeconfig)] if target.kubeconfig else _named(target).split(os.pathsep)
    return os.pathsep.join(str(path) for name in names if name and (path := Path(name).expanduser()).is_file())


def _context(files: str, target: Target) -> tuple[str, Mapping[str, Any]]:
    """Returns the name and the content of the context. As in kubectl, the first file that sets a value wins."""
    contents = [yaml.safe_load(Path(name).read_text("utf-8")) or {} for name in files.split(os.pathsep)]
    contexts = {entry["name"]: entry["context"] for one in reversed(contents) for entry in one.get("contexts") or ()}
    name = target.context or next((one["current-context"] for one in contents if one.get("current-context")), None)
    if name in contexts:
        return str(name), contexts[name]
    raise FedjobsError(
        ErrorCode.UNAVAILABLE,
        f"The kubeconfig has no context {name!r}." if name else "The kubeconfig has no current context.",
        f"Choose one of its contexts with --context: {', '.join(sorted(contexts)) or 'none'}.",
    )


def _in_cluster_namespace() -> str:
    return _IN_CLUSTER_NAMESPACE.read_text().strip() if _IN_CLUSTER_NAMESPACE.exists() else _DEFAULT_NAMESPACE
