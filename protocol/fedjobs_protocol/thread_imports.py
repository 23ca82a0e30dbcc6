"""What threads need, imported before there are any: a thread must not import.

While a coordinator's main thread imports TensorFlow Federated, its other threads answer silos. Two threads that import
at once may wait for each other for ever: Python's own detection of that has gaps. So no other thread may be the first
to need a module. Those below are loaded on demand, by parts of the standard library that do not show it. All other
modules are imported at the top of the file that uses them. `tests/coordinator/test_imports.py` checks the result.

A module that starts threads imports this one.
"""

from __future__ import annotations

import concurrent.futures.thread
import encodings.idna

MODULES = (
    concurrent.futures.thread,  # for asyncio.to_thread and run_in_executor
    encodings.idna,  # for socket.getaddrinfo
)
