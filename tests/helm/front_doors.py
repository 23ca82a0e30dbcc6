"""A real nginx with the chart's configuration, the DNS of a cluster, and those to whom it leads."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedjobs_protocol.identities.identities import Identity

from tests.cluster.readiness import tail, wait_until
from tests.helm.charts import FRONT_DOOR, HOST, NAMESPACE, Helm, of_kind, part
from tests.helm.dns_stubs import Dns
from tests.sockets import free_ports

SERVICES = f"{NAMESPACE}.svc.cluster.local"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
_RECORD = 1 << 14  # bytes, the most that one record of TLS may have


class Backend:
    """A server with mutual TLS, on an address of this machine's loopback of its own, and on the real ports.

    It greets each client with its own name and the client's, and then says everything back.

    Args:
        greeting: Its first word.
        identity: Its certificate.
        ports: Where it listens.

    Attributes:
        address: Of the loopback, which has 16 million.
    """

    def __init__(self, greeting: str, identity: Identity, folder: Path, *ports: int) -> None:
        self.address = f"127.{random.randint(16, 250)}.{random.randint(0, 250)}.{random.randint(2, 250)}"  # noqa: S311
        self._connections = 0
        self._own: dict[Any, threading.Event] = {}
        self._greeting = greeting
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        identity.save(folder)
        self._context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        self._context.load_verify_locations(folder / "ca.crt")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._sockets = [socket.create_server((self.address, port)) for port in ports]
        for listening in self._sockets:
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def close(self) -> None:
        for listening in self._sockets:
            listening.close()

    @property
    def connections(self) -> int:
        """How many connections came so far, with or without a word.

        The kernel may hold some that the server has not accepted yet. They come before a connection that is made now.
        """
        for listening in self._sockets:
            with socket.socket() as own:
                own.bind((self.address, 0))
                accepted = self._own[own.getsockname()] = threading.Event()
                own.connect(listening.getsockname())
                assert accepted.wait(30)
        return self._connections

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, client = listening.accept()
                if client in self._own:
                    connection.close()
                    self._own.pop(client).set()
                    continue
                self._connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as client:
            names: Any = (client.getpeercert() or {}).get("subjectAltName", ())
            uri = next(value for kind, value in names if kind == "URI")
            client.sendall(f"{self._greeting} greets {uri}\n".encode())
            while content := client.recv(65536):
                client.sendall(content)


@dataclass
class FrontDoor:
    """nginx, as it listens.

    Attributes:
        port: On 127.0.0.1.
        dns: Of the cluster.
        log: What it says.
        command: Starts it.
        backends: Where it leads.
    """

    port: int
    dns: Dns
    log: Path
    command: tuple[str, ...]
    backends: Mapping[str, Backend]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(self.command, stdout=file, stderr=file)
        wait_until("nginx listens", self._listens, broken=self._why_it_ended)

    def stop(self) -> None:
        """Ends it, and with it all connections."""
        self.process.terminate()
        self.process.wait(30)

    def _why_it_ended(self) -> str | None:
        return None if self.process.poll() is None else tail(self.log)

    def _listens(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def connect(self) -> socket.socket:
        """A connection on which nothing was said yet."""
        return socket.create_connection(("127.0.0.1", self.port), 30)

    @contextmanager
    def visit(self, name: str, identity: Identity, folder: Path) -> Iterator[tuple[ssl.SSLSocket, str]]:
        """A client that asks for a name, and what it is greeted with."""
        identity.save(folder)
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        with self.connect() as plain, context.wrap_socket(plain, server_hostname=name) as client:
            yield client, _line(client)

    def turns_away(self, words: bytes) -> bool:
        """Whether it closes the connection of who says this, without a word."""
        with self.connect() as client:
            client.sendall(words)
            return closed(client)


def closed(client: socket.socket) -> bool:
    """Waits for what comes next; whether it is the end, and not a word."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def hello(*names: bytes, extensions: int = 1) -> bytes:
    """The first packet of a client that asks for any names, such as no library would ask for.

    Args:
        names: Any number of them; none: the packet names nothing.
        extensions: How often the list of them is in the packet.
    """
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = ssl._create_unverified_context().wrap_bio(coming, going)  # noqa: S323 it never meets a server
    with suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    message = going.read()[9:]  # without the headers of record and handshake, which say how long it is
    at = 2 + 32  # version, random
    at += 1 + message[at]  # session
    at += 2 + int.from_bytes(message[at : at + 2], "big")  # cipher suites
    at += 1 + message[at]  # compression
    entries = b"".join(b"\0" + _sized(name, 2) for name in names)
    asked = b"\0\0" + _sized(_sized(entries, 2), 2)
    every = message[at + 2 :] + (asked * extensions if names else b"")
    handshake_message = b"\x01" + _sized(message[:at] + _sized(every, 2), 3)
    pieces = (handshake_message[at : at + _RECORD] for at in range(0, len(handshake_message), _RECORD))
    return b"".join(b"\x16\x03\x01" + _sized(piece, 2) for piece in pieces)


def _sized(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width, "big") + content


def configuration(helm: Helm, *settings: str) -> str:
    """nginx.conf as the chart has it."""
    [config] = of_kind(part(helm.objects(*settings), FRONT_DOOR), "ConfigMap")
    text: str = config["data"]["nginx.conf"]
    return text


@contextmanager
def front_door(helm: Helm, backends: Mapping[str, Backend], *settings: str, **changes: str) -> Iterator[FrontDoor]:
    """nginx with the chart's configuration; other than there are only the places where it listens and writes.

    Args:
        helm: Renders it.
        backends: By the names of their Services in the release's namespace.
        settings: Values of the chart.
        changes: Directives with another value, so that no test takes long.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="front-door-")))
        dns = Dns()
        stack.callback(dns.close)
        dns.services = {f"{name}.{SERVICES}": backend.address for name, backend in backends.items()}
        port, nobody = free_ports(2)
        text = configuration(helm, f"frontDoor.resolver={dns.address}", *settings)
        own = {"listen 8443": f"listen 127.0.0.1:{port}", "127.0.0.1:9444": f"127.0.0.1:{nobody}"}
        own |= {"/tmp/nginx.pid": str(folder / "nginx.pid"), "/dev/stdout": str(folder / "access.log")}  # noqa: S108
        for before, after in (own | changes).items():
            assert before in text
            text = text.replace(before, after)
        (folder / "nginx.conf").write_text(text)
        log = folder / "error.log"
        command = (NGINX or "nginx", "-e", "stderr", "-c", str(folder / "nginx.conf"), "-g", "daemon off;")
        door = FrontDoor(port, dns, log, command, backends)
        door.start()
        stack.callback(door.stop)
        yield door


def job_name(job: str) -> str:
    """What silos of a job ask for."""
    return f"{job}.{HOST}"


def _line(client: ssl.SSLSocket) -> str:
    content = b""
    while not content.endswith(b"\n"):
        piece = client.recv(4096)
        if not piece:
            break
        content += piece
    return content.decode().strip()
