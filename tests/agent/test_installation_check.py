"""What `helm test` checks, with a real hub and with connections that fail."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fedjobs_agent import installation_check
from fedjobs_agent.identity import tls_interception
from fedjobs_agent.installation_check import check_way
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_protocol.hub import silo_tokens
from fedjobs_protocol.hub.silo_tokens import SiloToken
from fedjobs_protocol.identities.certificates import Issuer, Purpose
from fedjobs_protocol.identities.identities import RunAuthority, enrolment_name

from tests.agent.federations import SILO, AgentFederation
from tests.agent.proxies import ConnectProxy

AUTHORITY = RunAuthority.create()
OTHER = Issuer.create("Proxy of the hospital", Purpose.SERVER)
FRONT_DOOR = "fedjobs.example.org"
TOKEN = SiloToken(
    silo=SILO,
    address="127.0.0.1:1",
    front_door=FRONT_DOOR,
    trust=AUTHORITY.coordinators.certificate.decode(),
    secret="x",
    expires="2100-01-01T00:00:00Z",
)


def write_installation(folder: Path, path: str, token: SiloToken | None = None) -> list[str]:
    """Writes the files of an installation, and returns the arguments that name them."""
    dataset = {"source": {"csv": {"path": path}}, "features": {"columns": ["a"]}}
    (folder / "silo.yaml").write_text(yaml.safe_dump({"silo": SILO, "datasets": {"digits": dataset}}))
    if token is not None:
        (folder / "token").write_text(token.encoded())
    config = {"silo": SILO, "image": "i", "siloFile": str(folder / "silo.yaml"), "tokenFile": str(folder / "token")}
    (folder / "agent.yaml").write_text(yaml.safe_dump(config))
    return ["--config", str(folder / "agent.yaml")]


def test_a_file_and_its_data_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    assert installation_check.main(write_installation(tmp_path, str(tmp_path / "*.csv"))) == 0
    said = capsys.readouterr().out
    assert "The file of silo hospital-a is valid. Datasets: digits." in said
    assert "There is no token" in said


def test_missing_data_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert installation_check.main(write_installation(tmp_path, "/data/*.csv")) == 1
    assert "FAILED: datasets.digits: there is no file /data/*.csv" in capsys.readouterr().out


def test_a_front_door_that_does_not_respond_is_named() -> None:
    with pytest.raises(FedjobsError, match=f"{FRONT_DOOR} did not answer at 127.0.0.1:1 within"):
        check_way(TOKEN, "127.0.0.1:1", timeout_s=0.5)


@pytest.fixture
def intercepting(tmp_path: Path) -> Iterator[str]:
    """Yields the address of a server that intercepts TLS. Its certificates come from its own issuer."""
    certificate, key = OTHER.issue(enrolment_name(FRONT_DOOR), uri="x:y")
    (tmp_path / "both.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_a_proxy_that_intercepts_tls_is_named(intercepting: str) -> None:
    with pytest.raises(FedjobsError, match="is issued by CN=Proxy of the hospital") as caught:
        check_way(TOKEN, intercepting, timeout_s=1)
    assert caught.value.code is ErrorCode.INVALID_CERTIFICATE


def test_interception_is_found_behind_a_proxy_too(intercepting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = OTHER.certificate
    with ConnectProxy(intercepting) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        address = "nowhere.example.org:443"
        assert tls_interception.stranger(address, FRONT_DOOR, AUTHORITY.coordinators.certificate) is not None
        assert tls_interception.stranger(address, FRONT_DOOR, other) is None  # a trusted certificate
        assert proxy.asked == [address, address]


@pytest.mark.api_server
@pytest.mark.processes
def test_a_real_hub_can_be_reached_also_through_a_proxy(
    federation: AgentFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = silo_tokens.decoded(federation.token()).model_copy(update={"address": "nowhere.example.org:443"})
    (tmp_path / "rows.csv").write_text("a\n1\n")
    with ConnectProxy(federation.door.address) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert installation_check.main(write_installation(tmp_path, str(tmp_path / "*.csv"), token)) == 0
        assert proxy.asked == ["nowhere.example.org:443"]
    assert f"The front door {FRONT_DOOR} answers at nowhere.example.org:443" in capsys.readouterr().out
