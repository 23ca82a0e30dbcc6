"""A backup of the hub, by the commands of docs/hub.md, and a hub whose authority is deleted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fedjobs_hub import names

from tests.cluster.api_servers import ApiServer
from tests.cluster.readiness import wait_until
from tests.hub.hubs import Federation, running_federation

PAGE = Path(__file__).parents[2] / "docs/hub.md"


@pytest.fixture
def federation(api_server: ApiServer, tmp_path: Path) -> Iterator[Federation]:
    with running_federation(api_server, tmp_path) as federation:
        yield federation


def follow(federation: Federation, heading: str, folder: Path) -> None:
    """Runs the kubectl commands of a section of the page, for this federation, except those that stop the hub."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    kubectl = federation.server.kubectl
    environment = os.environ | {
        "PATH": f"{kubectl.program.parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(kubectl.kubeconfig),
    }
    for line in re.findall(r"^\$ (kubectl .*)$", section, re.MULTILINE):
        if " scale " not in line:
            command = re.sub(r"fedjobs-system-authority(?= |$)", federation.authority, line)
            subprocess.run(["bash", "-c", command], cwd=folder, env=environment, check=True)


@pytest.mark.parametrize("another", [False, True], ids=["nothing is left", "a hub has made another authority"])
def test_silos_stay_enrolled_after_a_backup_was_restored(federation: Federation, tmp_path: Path, another: bool) -> None:
    identity = federation.enrolled("hospital-a")
    before = federation.status("hospital-a")["enrolment"]
    follow(federation, "Back up the hub", tmp_path)

    federation.hub.stop()
    kubectl = federation.server.kubectl
    kubectl("delete", "silos", "--all")
    kubectl("delete", "secret", names.AUTHORITY, "-n", federation.authority)
    kubectl("delete", "configmap", names.TRUST, "-n", federation.namespace)
    if another:
        federation.start_hub()
        kubectl("get", "secret", names.AUTHORITY, "-n", federation.authority)
        federation.hub.stop()

    follow(federation, "Restore the hub", tmp_path)
    federation.start_hub()
    assert federation.status("hospital-a")["enrolment"] == before
    with federation.hub_client(identity) as client:
        assert client.renew(identity).trust == identity.trust


def test_a_hub_stops_if_its_authority_is_deleted_and_the_next_hub_does_not_replace_it(federation: Federation) -> None:
    where = ("secret", names.AUTHORITY, "-n", federation.authority)
    federation.server.kubectl("delete", *where)
    hub = federation.hub
    wait_until("the hub ends", lambda: hub.process.poll() is not None, seconds=60)
    assert hub.process.returncode == 4
    assert "error AuthorityMissing: The Secret fedjobs-authority in namespace" in hub.log.read_text()
    assert "Traceback" not in hub.log.read_text()
    with pytest.raises(Exception, match="AuthorityMissing"):
        federation.start_hub()
    assert federation.server.kubectl.run("get", *where).returncode != 0
    federation.server.kubectl("create", "secret", "generic", names.AUTHORITY, "-n", federation.authority)
    federation.server.kubectl("annotate", *where, f"{names.START_ANEW}=true")
    federation.start_hub()
    assert len(json.loads(federation.server.kubectl("get", *where, "-o", "json"))["data"]) == 4
