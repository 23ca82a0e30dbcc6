"""Runs a command in a container and streams its output. Buffers at most one WebSocket frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from fedjobs_common.errors import ErrorCode, FedjobsError
from kubernetes.client.exceptions import ApiException

from fedjobs.cluster.api_errors import ApiError, explain, explained
from fedjobs.cluster.connections import Connection

_STDOUT, _STDERR, _OUTCOME = 1, 2, 3
"""The channels. The first byte of each frame is its channel."""
_SILENCE_S = 60
_KEPT_OF_STDERR = 2000
_HANDSHAKE = re.compile(r"Handshake status (\d{3})")


def output(connection: Connection, namespace: str, pod: str, container: str, command: Sequence[str]) -> Iterator[bytes]:
    """Yields what the command writes to standard output, as it arrives.

    Raises:
        FedjobsError: UNAVAILABLE if the command cannot be started or the connection breaks. INTERNAL if the exit code
            is not 0, with the last line of standard error.
    """
    import websocket  # a dependency of the package kubernetes

    doing = f"Cannot run a command in the pod {pod}"
    socket = _opened(connection, namespace, pod, container, command, doing)
    said, outcome = b"", b""
    try:
        socket.settimeout(_SILENCE_S)
        while True:
            # The client's own read method would buffer the whole output.
            opcode, frame = socket.recv_data_frame(True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                break
            if opcode not in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT) or not frame.data:
                continue
            channel, content = frame.data[0], bytes(frame.data[1:])
            if channel == _STDOUT and content:
                yield content
            elif channel == _STDERR:
                said = (said + content)[-_KEPT_OF_STDERR:]
            elif channel == _OUTCOME:
                outcome += content
    except (websocket.WebSocketException, OSError) as error:
        if not outcome:
            raise ApiError(ErrorCode.UNAVAILABLE, f"The connection to the pod {pod} broke: {error}.") from error
    finally:
        socket.close()
    _check(pod, outcome, said)


def _opened(
    connection: Connection, namespace: str, pod: str, container: str, command: Sequence[str], doing: str
) -> Any:
    from kubernetes.stream import stream

    try:
        with explained(doing):
            opened = stream(
                connection.core.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(command),
                stdin=False,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
            )
    except ApiError as error:
        cause = error.__cause__
        told = _HANDSHAKE.search(str(cause.reason)) if isinstance(cause, ApiException) else None
        if told is None:
            raise
        refused = explain(doing, int(told[1]), None)
        remedy = (
            "Ask the cluster's administrator for permission to get and create pods/exec."
            if refused.status == 403
            else ""
        )
        raise ApiError(refused.code, refused.message, remedy, status=refused.status) from error
    return opened.sock


def _check(pod: str, outcome: bytes, said: bytes) -> None:
    try:
        end = json.loads(outcome)
    except ValueError:
        raise ApiError(ErrorCode.UNAVAILABLE, f"The connection to the pod {pod} closed early.", "Try again.") from None
    if end.get("status") != "Success":
        words = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise FedjobsError(ErrorCode.INTERNAL, f"The command in the pod {pod} failed: {words or end.get('message')}.")
