"""A real nginx with the chart's configuration, a DNS server like a cluster's, and backend servers."""

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
_RECORD = 1 << 14  # bytes, the maximum size of a TLS record


class Backend:
    """A server with mutual TLS, with the real port numbers, on its own loopback address.

    It sends each client a greeting with both names, and then echoes all data.

    Args:
        greeting: The first word of the greeting.
        identity: The server's certificate.
        ports: The ports on which it listens.

    Attributes:
        address: The loopback address. There are 16 million of them.
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
        """Returns the number of connections so far, with or without data.

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
    """A running nginx.

    Attributes:
        port: The port on 127.0.0.1.
        dns: The DNS server.
        log: The path of the log file.
        command: The command that starts nginx.
        backends: The servers to which it routes.
    """

    port: int
    dns: Dns
    log: Path
    command: tuple[str, ...]
    backends: Mapping[str, Backend]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Starts nginx, and waits until it listens."""
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(self.command, stdout=file, stderr=file)
        wait_until("nginx listens", self._listens, broken=self._why_it_ended)

    def stop(self) -> None:
        """Stops nginx, which closes all connections."""
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
        """Returns a new connection on which nothing was sent yet."""
        return socket.create_connection(("127.0.0.1", self.port), 30)

    @contextmanager
    def visit(self, name: str, identity: Identity, folder: Path) -> Iterator[tuple[ssl.SSLSocket, str]]:
        """Connects as a client with this server name, and yields the connection and the greeting."""
        identity.save(folder)
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        with self.connect() as plain, context.wrap_socket(plain, server_hostname=name) as client:
            yield client, _read_line(client)

    def turns_away(self, words: bytes) -> bool:
        """Returns whether it closes the connection of a client that sends this, without a response."""
        with self.connect() as client:
            client.sendall(words)
            return closed(client)


def closed(client: socket.socket) -> bool:
    """Waits for data or the end of the connection. Returns whether it was the end."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def hello(*names: bytes, extensions: int = 1) -> bytes:
    """Returns a client's first packet with any server names, including packets that no library sends.

    Args:
        names: Any number of names. Without names, the packet has no server name.
        extensions: How often the packet contains the list of names.
    """
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = ssl._create_unverified_context().wrap_bio(coming, going)  # noqa: S323 it never meets a server
    with suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    message = going.read()[9:]  # without the headers of record and handshake, which contain lengths
    at = 2 + 32  # version, random
    at += 1 + message[at]  # session
    at += 2 + int.from_bytes(message[at : at + 2], "big")  # cipher suites
    at += 1 + message[at]  # compression
    entries = b"".join(b"\0" + _with_length(name, 2) for name in names)
    asked = b"\0\0" + _with_length(_with_length(entries, 2), 2)
    every = message[at + 2 :] + (asked * extensions if names else b"")
    handshake_message = b"\x01" + _with_length(message[:at] + _with_length(every, 2), 3)
    pieces = (handshake_message[at : at + _RECORD] for at in range(0, len(handshake_message), _RECORD))
    return b"".join(b"\x16\x03\x01" + _with_length(piece, 2) for piece in pieces)


def _with_length(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width, "big") + content


def configuration(helm: Helm, *settings: str) -> str:
    """Returns the chart's nginx.conf."""
    [config] = of_kind(part(helm.objects(*settings), FRONT_DOOR), "ConfigMap")
    text: str = config["data"]["nginx.conf"]
    return text


@contextmanager
def front_door(helm: Helm, backends: Mapping[str, Backend], *settings: str, **changes: str) -> Iterator[FrontDoor]:
    """Runs nginx with the chart's configuration. Only the addresses and the paths that it writes to differ.

    Args:
        helm: Renders the chart.
        backends: The servers, by the names of their Services in the release's namespace.
        settings: Values of the chart.
        changes: New values of directives, such as short timeouts.
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
    """Returns the server name that a job's silos use."""
    return f"{job}.{HOST}"


def _read_line(client: ssl.SSLSocket) -> str:
    content = b""
    while not content.endswith(b"\n"):
        piece = client.recv(4096)
        if not piece:
            break
        content += piece
    return content.decode().strip()
