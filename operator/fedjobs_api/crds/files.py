"""The files in crds/, for `kubectl apply -f crds/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fedjobs_api.crds import definitions, policies

FOLDER = Path(__file__).resolve().parents[3] / "crds"
_HEADER = "# Generated from operator/fedjobs_api: do not edit, run `python -m fedjobs_api.crds`.\n"


def contents() -> dict[str, str]:
    """Returns the content of each file."""
    manifests = {
        "federatedjobs.yaml": [definitions.federated_job()],
        "silos.yaml": [definitions.silo()],
        "requested-by-policy.yaml": policies.requested_by(),
    }
    return {name: _HEADER + _rendered(documents) for name, documents in manifests.items()}


def write(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents().items():
        (folder / name).write_text(content, "utf-8")


def drifted(folder: Path = FOLDER) -> list[str]:
    """Returns the names of files that are out of date, missing or unexpected."""
    wanted = contents()
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.yaml")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


class _Dumper(yaml.SafeDumper):
    """Writes no YAML aliases: they are hard to read, and not all parsers support them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _rendered(documents: list[dict[str, Any]]) -> str:
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
