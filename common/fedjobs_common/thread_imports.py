"""What threads need, imported before there are any: a thread must not import.

While a coordinator's main thread imports TensorFlow Federated, its other threads answer silos. Two threads that import
at once may wait for each other for ever: Python's own detection of that has gaps. So no other thread may be the first
to need a module. Those below are loaded on demand, by libraries that do not show it. All other modules are imported at
the top of the file that uses them. `tests/coordinator/test_imports.py` and `tests/protocol/test_thread_imports.py`
check the result.
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
    """Called in the main thread, before the first other thread is started; the second time there is nothing to do."""
    for name in _STANDARD_LIBRARY:
        importlib.import_module(name)
    for name in _LIBRARIES:
        with contextlib.suppress(ModuleNotFoundError):  # private names: another release may have others
            importlib.import_module(name)
