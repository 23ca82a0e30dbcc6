"""The values of the silo's chart, and their schema: a silo's own file, and what an installation needs beside it.

python helm/silo_values.py            write values.schema.json (also: --write)
python helm/silo_values.py --check    exit 1 when it has drifted
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
_QUANTITY = r"^([0-9]+(\.[0-9]+)?([KMGT]i?|k|m)?)?$"
_NAME = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"


class Data(Model):
    volume: dict[str, Any]
    mount_path: str = Field(pattern=r"^/.+")


class Image(Model):
    repository: str = Field(pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._:/]*[a-zA-Z0-9]$")
    tag: str = Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")
    gpu: str
    pull_policy: Literal["Always", "IfNotPresent", "Never"]
    pull_secrets: list[str]


class Proxy(Model):
    url: str = Field(pattern=r"^(http://[^@/]+(:[0-9]+)?/?)?$")
    exceptions: str


class Audit(Model):
    storage: str = Field(pattern=_QUANTITY)
    storage_class: str


class Network(Model):
    policies: bool
    front_door_port: int = Field(ge=1, le=65535)
    api_server_ports: list[int]
    worker_egress: list[dict[str, Any]]
    metrics: bool


class Resources(Model):
    requests: dict[str, str | int | float] = Field(default_factory=dict)
    limits: dict[str, str | int | float] = Field(default_factory=dict)


class Worker(Model):
    resources: Resources
    gpu_patience_seconds: float = Field(ge=0)
    start_patience_seconds: float = Field(ge=0)


class Agent(Model):
    resources: Resources
    node_selector: dict[str, str]
    tolerations: list[dict[str, Any]]


class Values(SiloFile):
    token: str = Field(pattern=r"^(fedjobs1\.[-_A-Za-z0-9]+)?$")
    existing_secret: str = Field(pattern=_NAME)
    data: Data
    image: Image
    dial_address: str = Field(pattern=_ADDRESS)
    proxy: Proxy
    audit: Audit
    network: Network
    worker: Worker
    agent: Agent


def schema() -> dict[str, Any]:
    """The JSON schema of the values."""
    made = Values.model_json_schema(by_alias=True)
    made["title"] = "Values of fedjobs-silo"
    made["properties"]["global"] = {
        "type": "object",
        "description": "Of charts that have this one as a part; not used.",
    }
    label = made["$defs"]["DatasetFile"]["properties"]["label"]
    label["anyOf"].append({"type": "string"})  # a column's name alone
    made["properties"]["datasets"].setdefault("description", "By name, what the silo offers.")
    return made


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="write the file (what happens by default)")
    what.add_argument("--check", action="store_true", help="write nothing; exit 1 when it has drifted")
    if not parser.parse_args(arguments).check:
        SCHEMA.write_text(text())
        return 0
    if SCHEMA.exists() and SCHEMA.read_text() == text():
        return 0
    sys.stderr.write(f"{SCHEMA} is not what the silo's file has: run python helm/silo_values.py\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
