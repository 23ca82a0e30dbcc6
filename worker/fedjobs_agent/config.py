"""The agent's own file, agent.yaml: which silo this is, and what its workers are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.models import Model
from fedjobs_worker.silo_file_errors import described
from pydantic import Field, ValidationError


class Data(Model):
    """Where the silo's data are; mounted read-only, in the session's container alone."""

    volume: dict[str, Any] = Field(min_length=1)
    """A volume's source as in a pod, such as `{persistentVolumeClaim: {claimName: records}}`."""
    mount_path: str = Field(default="/data", pattern=r"^/.+")


class Proxy(Model):
    """The way out of the silo's network, where there is no other."""

    url: str = Field(pattern=r"^http://[^@/]+(:[0-9]+)?/?$")
    """An HTTP proxy that knows CONNECT, such as `http://proxy.hospital.example:3128`."""
    exceptions: str = ""
    """Hosts that are reached without it, with commas between them."""


class AgentConfig(Model):
    silo: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
    """Whose invitations are answered; the silo's own file names the same."""
    silo_file: Path = Path("/etc/fedjobs/silo.yaml")
    """The silo's own file, as the agent sees it."""
    config_map: str = "fedjobs-silo"
    """The ConfigMap that has it, under `silo.yaml`: the workers read it from there."""
    image: str = Field(min_length=1)
    """Of the workers."""
    gpu_image: str | None = None
    """Of a runner that has a GPU; absent: `image`."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = Field(default_factory=list)
    """Names of Secrets of the agent's namespace."""
    data: Data | None = None
    session_resources: dict[str, Any] = Field(default_factory=dict)
    """Of the session's container, which also holds the data in memory; those of the runner are in the silo's file."""
    gpu_patience_seconds: float = Field(default=60, ge=0)
    """How long a worker waits for a GPU before it is made again without one, or declines."""
    start_patience_seconds: float = Field(default=120, ge=0)
    """For how long it is nobody's concern that a worker cannot start; then the coordinator is told why."""
    dial_address: str | None = Field(default=None, pattern=r"^.+:[0-9]+$")
    """`host:port` that workers and agent dial instead of the addresses that the federation says."""
    proxy: Proxy | None = None
    audit_file: Path = Path("/var/lib/fedjobs/audit/audit.jsonl")
    """The silo's audit log, on a volume that outlives the agent."""
    token_file: Path = Path("/etc/fedjobs-token/token")
    """The token of the silo's invitation; once enrolled, it may be gone."""


def load(path: Path) -> AgentConfig:
    """Reads agent.yaml.

    Raises:
        FedjobsError: INVALID_SILO_FILE, naming file, field, value and remedy.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} cannot be read: {error.strerror}.", "Name an existing file."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FedjobsError(
            ErrorCode.INVALID_SILO_FILE, f"{path} is not valid YAML: {error}", "Correct the file."
        ) from error
    try:
        return AgentConfig.model_validate(content)
    except ValidationError as error:
        raise described(error, AgentConfig, str(path)) from error
