"""What a silo announces to the federation, as far as the silo file allows."""

from __future__ import annotations

import os
from typing import Any

from fedjobs_protocol.v1 import hub_pb2 as pb
from fedjobs_protocol.versions import PROTOCOL_VERSIONS, TENSORFLOW, installed
from fedjobs_worker.silo_files import DatasetFile, Features, SiloFile


def announcement(silo: SiloFile, agent_id: str) -> pb.AnnounceRequest:
    """Returns the announcement of a silo.

    Args:
        silo: The silo file.
        agent_id: The ID of this process.
    """
    versions = {
        "fedjobs": installed("fedjobs"),
        "protocol": str(max(PROTOCOL_VERSIONS)),
        "tensorflow": installed(*TENSORFLOW),
    }
    return pb.AnnounceRequest(
        protocol_versions=PROTOCOL_VERSIONS,
        agent_id=agent_id,
        versions={name: version for name, version in versions.items() if version},
        datasets=_datasets(silo),
        cpus=_cpus(silo.runner.resources),
        gpus=0 if silo.runner.gpu is None else 1,
    )


def _datasets(silo: SiloFile) -> list[pb.Dataset]:
    if not silo.policy.share_dataset_names:
        return []
    offered = [name for name in sorted(silo.datasets) if _is_offered(silo, name)]
    told = silo.policy.share_dataset_schemas
    return [pb.Dataset(name=name, features=_features(silo.datasets[name]) if told else []) for name in offered]


def _is_offered(silo: SiloFile, name: str) -> bool:
    return silo.policy.datasets is None or name in silo.policy.datasets


def _features(dataset: DatasetFile) -> list[str]:
    """Returns the features as a computation sees them: `name: dtype[shape]`."""
    label = [f"y: {dataset.label.dtype}"] if dataset.label else []
    return [*_inputs(dataset.features), *label]


def _inputs(features: Features) -> list[str]:
    if features.columns is not None:
        return [f"x: {features.dtype}[{len(features.columns)}]"]
    found = []
    for name, spec in (features.spec or {}).items():
        shape = spec.shape if spec.shape is not None else [len(spec.columns)] if spec.columns else []
        found.append(f"x/{name}: {spec.dtype}" + (f"[{','.join(map(str, shape))}]" if shape else ""))
    return found


def _cpus(resources: dict[str, Any]) -> int:
    """Returns the CPUs of a worker if the silo file sets them, else those of this machine."""
    for bound in ("limits", "requests"):
        said = str((resources.get(bound) or {}).get("cpu", ""))
        if said.isdecimal():
            return int(said)
        if said.endswith("m") and said[:-1].isdecimal():
            return max(1, int(said[:-1]) // 1000)
    return os.cpu_count() or 1
