"""Deletes a cluster in any state: processes, mounts, network, cgroups and files, in this order."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import cgroups, processes, readiness, requirements
from tests.cluster.networks import Network


def remove(folder: Path, *, cgroup: str, network: Network) -> None:
    """Deletes everything of a cluster. Processes are killed, because the data is deleted, too."""

    def ended() -> bool:
        alive = {each.pid for each in processes.running(folder)} | cgroups.processes(cgroup)
        for pid in alive:
            processes.kill(pid)
        return not alive

    readiness.wait_until("the cluster's processes end", ended, seconds=60)
    for mount in sorted(_mounts_below(folder), reverse=True):
        subprocess.run([requirements.program("umount"), "--lazy", mount], capture_output=True, check=False)
    network.remove()
    cgroups.remove(cgroup)
    for file in _outside(folder, network):
        file.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _outside(folder: Path, network: Network) -> Iterator[Path]:
    """Yields files that kubelet, containerd and the pod network write outside the cluster's folder."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/"):
            yield link
    results = Path("/var/lib/cni/results")
    for file in results.glob(f"{network.namespace}-*-eth0"):
        container = file.name.removeprefix(f"{network.namespace}-").removesuffix("-eth0")
        yield file
        yield results / f"cni-loopback-{container}-lo"
    for file in folder.glob("containerd/state/io.containerd.runtime.v2.task/*/*/address"):
        yield Path(file.read_text().removeprefix("unix://"))


def _mounts_below(folder: Path) -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        place = line.split(" ")[1].encode().decode("unicode_escape")
        if place.startswith(f"{folder}/"):
            yield place
