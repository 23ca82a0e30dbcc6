from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.client.cluster.conftest import Person
from tests.client.cluster.jobs_on_a_cluster import condition
from tests.client.cluster.proxies import proxy

pytestmark = pytest.mark.api_server


def test_a_watch_survives_a_lost_connection(admin: Person, tmp_path: Path) -> None:
    admin.has_submitted()
    admin.operator_writes(phase="Running", completedRounds=1, totalRounds=2)
    config = yaml.safe_load(admin.kubeconfig.read_text())
    server = config["clusters"][0]["cluster"]
    with proxy(int(server["server"].rpartition(":")[2])) as way:
        server["server"] = f"https://127.0.0.1:{way.port}"
        (tmp_path / "by-proxy").write_text(yaml.safe_dump(config))

        def outage() -> None:
            way.cut()
            way.refused.wait(30)
            admin.operator_writes(phase="Complete", completedRounds=2, conditions=[condition("Complete", "True")])
            way.repair()

        timer = threading.Timer(1, outage)
        timer.start()
        shown = replace(admin, kubeconfig=tmp_path / "by-proxy").run("watch", "digits")
        timer.join()
    assert shown.exit_code == 0, shown.output
    assert "does not answer" in shown.output
    assert "answers again" in shown.output
    assert "round 2/2" in shown.output
