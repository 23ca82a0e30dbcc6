"""The agent's configuration file, agent.yaml: the silo's name, and the settings of its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.models import Model
from fedjobs_worker.silo_file_errors import described
from pydantic import Field, ValidationError


class Data(Model):
    """The volume with the silo's data. Only the session container mounts it, read-only."""

    volume: dict[str, Any] = Field(min_length=1)
    """The source of the volume as in a pod, such as `{persistentVolumeClaim: {claimName: records}}`."""
    mount_path: str = Field(default="/data", pattern=r"^/.+")


class Proxy(Model):
    """The proxy for outgoing connections."""

    url: str = Field(pattern=r"^http://[^@/]+(:[0-9]+)?/?$")
    """An HTTP proxy that supports CONNECT, such as `http://proxy.hospital.example:3128`."""
    no_proxy: str = ""
    """A comma-separated list of hosts that are reached without the proxy."""


class AgentConfig(Model):
    silo: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """The silo's name, which must be the name in the silo file."""
    silo_file: Path = Path("/etc/fedjobs/silo.yaml")
    """The path of the silo file in the agent's container."""
    config_map: str = "fedjobs-silo"
    """The ConfigMap with the silo file under the key `silo.yaml`. The workers mount it."""
    image: str = Field(min_length=1)
    """The image of the workers."""
    gpu_image: str | None = None
    """The image of runners with a GPU. Defaults to `image`."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[dict[Literal["name"], str]] = Field(default_factory=list)
    """The pull secrets in the agent's namespace, as in a pod: `[{name: registry}]`."""
    data: Data | None = None
    session_resources: dict[str, Any] = Field(default_factory=dict)
    """The resources of the session container, which holds the data in memory. The silo file has those of the runner."""
    runtime_class_name: str | None = Field(default=None, min_length=1)
    """The RuntimeClass of the workers' pods, for example of gVisor. Default: the cluster's runtime."""
    gpu_timeout_seconds: float = Field(default=60, ge=0)
    """How long a worker waits for a GPU. After that, it is replaced by one without a GPU, or the silo declines."""
    start_deadline_seconds: float = Field(default=120, ge=0)
    """If a worker cannot start within this time, the agent tells the coordinator why."""
    dial_address: str | None = Field(default=None, pattern=r"^.+:[0-9]+$")
    """A `host:port` that the agent and the workers connect to, instead of the addresses in invitations."""
    proxy: Proxy | None = None
    audit_file: Path = Path("/var/lib/fedjobs/audit/audit.jsonl")
    """The silo's audit log, on a volume that outlives the agent."""
    token_file: Path = Path("/etc/fedjobs-token/token")
    """The file with the token of the silo's invitation. It is not needed after the enrolment."""


def load(path: Path) -> AgentConfig:
    """Reads agent.yaml.

    Raises:
        FedjobsError: INVALID_SILO_FILE. The message names file, field, value and remedy.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} cannot be read: {error.strerror}.", "Give an existing file."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} is not valid YAML: {error}", "Correct the file."
        ) from error
    try:
        return AgentConfig.model_validate(content)
    except ValidationError as error:
        raise described(error, AgentConfig, str(path)) from error
