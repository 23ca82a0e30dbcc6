"""Imports lazily loaded modules in the main thread, so that other threads do not import.

While a coordinator's main thread imports TensorFlow Federated, its other threads answer silos. Two threads that import
at the same time can deadlock, because Python does not detect all import deadlocks. So no other thread may be the first
to import a module. The modules below are imported lazily by libraries. All other modules are imported at the top of the
file that uses them. `tests/coordinator/test_imports.py` and `tests/protocol/test_thread_imports.py` check this.
"""

from __future__ import annotations

import contextlib
import importlib

_STANDARD_LIBRARY = (
    "concurrent.futures.thread",  # asyncio.to_thread, run_in_executor
    "encodings.idna",  # socket.getaddrinfo
    "_strptime",  # datetime.strptime
)
_LIBRARIES = (
    "grpc._channel",  # grpc.secure_channel
    "cryptography.hazmat.backends.openssl.backend",  # private keys
)


def import_what_threads_need() -> None:
    """Imports the modules. Call it in the main thread before other threads start. A second call has no effect."""
    for name in _STANDARD_LIBRARY:
        importlib.import_module(name)
    for name in _LIBRARIES:
        with contextlib.suppress(ModuleNotFoundError):  # private modules, which another release may not have
            importlib.import_module(name)
