"""Generates the schema of the silo chart's values: the fields of a silo file, and the fields of an installation.

python helm/silo_values.py            write values.schema.json (also: --write)
python helm/silo_values.py --check    exit with 1 if the file is out of date
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Literal

from fedjobs_common.models import Model
from fedjobs_worker.silo_files import SiloFile
from pydantic import Field

SCHEMA = Path(__file__).resolve().parent / "fedjobs-silo" / "values.schema.json"

_ADDRESS = r"^(.+:[0-9]+)?$"
_QUANTITY = r"^[0-9]+(\.[0-9]+)?([KMGT]i?|k|m)?$"
_NAME = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"


class Data(Model):
    volume: dict[str, Any]
    mount_path: str = Field(pattern=r"^/.+")


class Image(Model):
    registry: str = Field(pattern=r"^([a-zA-Z0-9][-a-zA-Z0-9._:/]*[a-zA-Z0-9])?$")
    repository: str = Field(pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._:/]*[a-zA-Z0-9]$")
    tag: str = Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")
    pull_policy: Literal["Always", "IfNotPresent", "Never"]


class Reference(Model):
    """The name of an object in the release's namespace."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")


class Proxy(Model):
    url: str = Field(pattern=r"^(http://[^@/]+(:[0-9]+)?/?)?$")
    no_proxy: str


class Persistence(Model):
    enabled: bool
    size: str = Field(pattern=_QUANTITY)
    storage_class_name: str


class Audit(Model):
    persistence: Persistence


class NetworkPolicy(Model):
    enabled: bool
    front_door_port: int = Field(ge=1, le=65535)
    api_server_ports: list[int]
    worker_egress: list[dict[str, Any]]
    allow_metrics: bool


class Resources(Model):
    requests: dict[str, str | int | float] = Field(default_factory=dict)
    limits: dict[str, str | int | float] = Field(default_factory=dict)


class Worker(Model):
    resources: Resources
    runtime_class_name: str = Field(pattern=_NAME)
    gpu_timeout_seconds: float = Field(ge=0)
    start_deadline_seconds: float = Field(ge=0)


class ServiceAccount(Model):
    annotations: dict[str, str]


class Agent(Model):
    resources: Resources
    node_selector: dict[str, str]
    tolerations: list[dict[str, Any]]
    affinity: dict[str, Any]
    pod_annotations: dict[str, str]
    extra_env: list[dict[str, Any]]
    service_account: ServiceAccount


class Values(SiloFile):
    token: str = Field(pattern=r"^(fedjobs1\.[-_A-Za-z0-9]+)?$")
    existing_secret: str = Field(pattern=_NAME)
    data: Data
    image: Image
    gpu_image: str
    image_pull_secrets: list[Reference]
    name_override: str = Field(pattern=_NAME)
    fullname_override: str = Field(pattern=_NAME)
    dial_address: str = Field(pattern=_ADDRESS)
    proxy: Proxy
    audit: Audit
    network_policy: NetworkPolicy
    worker: Worker
    agent: Agent


def schema() -> dict[str, Any]:
    """Returns the JSON schema of the values."""
    made = Values.model_json_schema(by_alias=True)
    made["title"] = "Values of fedjobs-silo"
    made["properties"]["global"] = {
        "type": "object",
        "description": "Global values of a parent chart. Not used.",
    }
    label = made["$defs"]["DatasetFile"]["properties"]["label"]
    label["anyOf"].append({"type": "string"})  # the short form, with only the column's name
    made["properties"]["datasets"].setdefault("description", "The datasets that the silo offers, by name.")
    return made


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write the file (the default)")
    what.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the file is out of date")
    if not parser.parse_args(arguments).check:
        SCHEMA.write_text(text())
        return 0
    if SCHEMA.exists() and SCHEMA.read_text() == text():
        return 0
    sys.stderr.write(f"{SCHEMA} is out of date. Run python helm/silo_values.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
