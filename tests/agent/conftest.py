from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.clusters import AgentProcess, SiloNamespace
from tests.agent.federations import SILO, AgentFederation, behind_a_door
from tests.cluster.api_servers import ApiServer
from tests.helm.charts import Helm
from tests.helm.conftest import helm  # noqa: F401 (a fixture)
from tests.hub.hubs import Federation, running_federation

Started = Callable[..., AgentProcess]


@pytest.fixture(scope="module")
def hub(api_server_with_controllers: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """One hub for the tests of a module, because it takes seconds to start."""
    with running_federation(api_server_with_controllers, tmp_path_factory.mktemp("hub")) as federation:
        yield federation


@pytest.fixture
def federation(hub: Federation) -> Iterator[AgentFederation]:
    """A new federation with one invited silo."""
    with behind_a_door(hub) as federation:
        yield federation


@pytest.fixture
def silo(api_server_with_controllers: ApiServer, helm: Helm) -> SiloNamespace:  # noqa: F811
    return SiloNamespace(api_server_with_controllers, helm, f"silo-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def started(silo: SiloNamespace, federation: AgentFederation, tmp_path: Path) -> Iterator[Started]:
    """Starts agents that have the silo's token and connect to the front door."""
    agents: list[AgentProcess] = []

    def start(silo_file: dict[str, Any] | None = None, *, folder: str = "agent", **config: Any) -> AgentProcess:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "token").write_text(config.pop("token", None) or federation.token())
        config = {"dialAddress": federation.door.address, **config}
        agents.append(AgentProcess(silo, tmp_path / folder, silo_file or {"silo": SILO}, **config))
        return agents[-1]

    yield start
    for agent in agents:
        agent.kill()
