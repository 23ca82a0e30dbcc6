"""Volumes that claims bind to immediately. They are folders of this machine that any user can write to.

A volume is used once. `fill_up` clears what a deleted claim left, and makes the volume available again.
"""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.kubectl import Kubectl

CLASS = "standard"
SIZE = "10Gi"
# Enough for all end-to-end tests in one run. ReadWriteOncePod must be the only access mode of a volume.
SUPPLY = {("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"): 100, ("ReadWriteOncePod",): 10}
_STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/no-provisioner",
    "volumeBindingMode": "Immediate",
}


def fill_up(kubectl: Kubectl, folder: Path) -> None:
    """Provides the number of unused volumes that SUPPLY specifies, and clears those of deleted claims."""
    volumes = json.loads(kubectl("get", "persistentvolumes", "-o", "json"))["items"]
    for each in volumes:
        if each["status"].get("phase") == "Released":
            kubectl("delete", "persistentvolume", each["metadata"]["name"])
            shutil.rmtree(folder / each["metadata"]["name"], ignore_errors=True)
    free = [
        tuple(each["spec"]["accessModes"])
        for each in volumes
        if each["status"].get("phase") in {"Available", "Pending"}
    ]
    new = [_volume(folder, modes) for modes, wanted in SUPPLY.items() for _ in range(wanted - free.count(modes))]
    kubectl.apply(yaml.safe_dump_all([_STORAGE_CLASS, *new]))


def _volume(folder: Path, modes: tuple[str, ...]) -> dict[str, Any]:
    name = f"folder-{uuid.uuid4().hex[:12]}"
    place = folder / name
    place.mkdir(parents=True)
    place.chmod(0o777)  # pods run as any user
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": SIZE},
            "accessModes": list(modes),
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(place), "type": "Directory"},
        },
    }
