"""After `import_what_threads_need`, the common work of threads imports no further modules."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.processes

_PROCESS = """
import asyncio, datetime, socket, sys, threading
from fedjobs_protocol.identities import channels
from fedjobs_protocol.identities import identities
from fedjobs_protocol.identities import keys
from fedjobs_common.thread_imports import import_what_threads_need

def what_threads_do():
    authority = identities.RunAuthority.create()
    identity = authority.issue_silo("0f8e7d6c-5b4a-4938-a716-253443526170", "alice")
    keys.signing_request(keys.create())
    with channels.open_channel("localhost:1", "coordinator", identity):
        pass
    socket.getaddrinfo("localhost", 1)
    datetime.datetime.strptime("2026-01-01", "%Y-%m-%d")
    asyncio.run(asyncio.to_thread(int))

def tell(event, arguments):
    if event == "import":
        print(arguments[0])

import_what_threads_need()
sys.addaudithook(tell)
thread = threading.Thread(target=what_threads_do)
thread.start()
thread.join()
"""


def test_a_thread_imports_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", _PROCESS], capture_output=True, text=True, check=True, timeout=120)
    assert ended.stdout.split() == []
