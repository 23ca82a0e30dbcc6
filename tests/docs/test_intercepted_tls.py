"""`make` installs from an index whose certificate only this machine trusts, as behind a proxy that intercepts TLS."""

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cluster.certificates import Authority
from tests.docs.pages import ROOT

UV = ROOT / ".uv/bin/uv"
SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
WHEEL = "intercepted-1-py3-none-any.whl"


class _Index(http.server.BaseHTTPRequestHandler):
    """An index with one package, which has no files that can be downloaded."""

    def do_GET(self) -> None:
        page = f'<a href="{WHEEL}">{WHEEL}</a>'.encode()
        self.send_response(200 if self.path == "/simple/intercepted/" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """The certificate of the proxy's authority, which no program trusts by itself."""
    Authority.new("a company's proxy").write(tmp_path)
    return tmp_path / "ca.crt"


@pytest.fixture
def index(authority: Path) -> Iterator[str]:
    """The URL of an index whose certificate comes from that authority."""
    folder = authority.parent
    Authority.read(folder).issue("index", hosts=["127.0.0.1"]).write(folder, "index")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "index.crt", folder / "index.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


def environment_of_make() -> Mapping[str, str]:
    """Returns the environment of the commands that make runs."""
    command = ["make", "--silent", "--eval=show: ; @env --null", "show"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in shown.split("\0") if line)


def resolve(index: str, authority: Path, environment: Mapping[str, str]) -> str:
    """Asks uv for the package where the system trusts only this authority, and returns uv's message.

    uv can read the index. It cannot read the package's metadata, which are not there.
    """
    trusting = f"mount --bind {authority} {SYSTEM} && exec {UV} pip compile - --no-cache --index-url {index}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", trusting],
        input="intercepted==1",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


@pytest.mark.skipif(not UV.exists(), reason="uv is not installed: run `make setup`")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can replace the system's certificates for one process")
@pytest.mark.skipif(not SYSTEM.exists(), reason=f"this system has no {SYSTEM}")
def test_make_trusts_the_systems_certificates(authority: Path, index: str) -> None:
    of_make = environment_of_make()
    environment = {
        name: value
        for name, value in of_make.items()
        if not name.startswith("SSL_CERT") and "proxy" not in name.lower()
    }
    without = {name: value for name, value in environment.items() if name != "UV_SYSTEM_CERTS"}

    assert "certificate" in resolve(index, authority, without)
    assert WHEEL in resolve(index, authority, environment)
