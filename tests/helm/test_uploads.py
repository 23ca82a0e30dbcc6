"""A silo's upload through a front door that restarts: real nginx, session server and client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fedjobs_common import retries
from fedjobs_protocol.identities.identities import server_name
from fedjobs_protocol.v1 import session_pb2 as pb

from tests.cluster.readiness import wait_until
from tests.helm.charts import HOST, Helm
from tests.helm.front_doors import NGINX, SERVICES, front_door
from tests.protocol.coordinators import JOB, SILO, Coordinator
from tests.protocol.memory_coordinators import MemoryCoordinator

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(NGINX is None, reason="no nginx: apt-get install nginx libnginx-mod-stream"),
]
VALUE = bytes(range(256)) * (100 * 1000 * 1000 // 256)
WORK = "ab" * 32


def test_an_upload_of_100_mb_continues_after_the_front_door_restarts(helm: Helm, tmp_path: Path) -> None:
    name = server_name(JOB, HOST)
    with Coordinator(tmp_path, MemoryCoordinator, name) as coordinator:
        leads_to = {f"$job.{SERVICES}:8443": f"$job.{SERVICES}:{coordinator.port}"}
        with front_door(helm, {}, **leads_to) as door, ThreadPoolExecutor() as pool:
            door.dns.services[f"{name.removesuffix(f'.{HOST}')}.{SERVICES}"] = "127.0.0.1"
            client = coordinator.client(address=f"127.0.0.1:{door.port}")
            session_id = client.join(pb.JoinRequest(protocol_versions=[1, 2], shard_formats=[1])).session_id
            coordinator.do(lambda backend: backend.offer(SILO, pb.Work(work_id=WORK), len(VALUE)))
            assert retries.forever()(lambda: client.pull_work(session_id)).work.work_id == WORK
            upload = pool.submit(client.put_blob, session_id, WORK, VALUE)

            def received() -> int:
                return coordinator.do(lambda backend: backend.transferred_bytes(SILO))[1]

            wait_until("a tenth of the upload has arrived", lambda: upload.done() or received() > len(VALUE) // 10)
            door.stop()
            assert not upload.done()
            door.start()
            upload.result(120)
            assert received() < 1.5 * len(VALUE)
        assert coordinator.do(lambda backend: backend.received(SILO, WORK)) == VALUE
