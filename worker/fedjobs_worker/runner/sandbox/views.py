"""What a runner host sees of the machine's files: the interpreter, its packages, the C library and devices.

Everything is read-only. The working directory, homes, and the silo's folders are not in the list.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/alternatives", "/etc/localtime", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
)  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_GPU_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*")
_GPU_SYSTEM = ("/sys", "/proc")
_NEVER = frozenset({"/", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/srv", "/tmp", "/var"})  # noqa: S108


@dataclass(frozen=True)
class View:
    """The files of a runner host.

    Attributes:
        readable: Folders with everything below them, and files.
        devices: Device nodes, which can be opened for writing.
        gpu: Whether there is an NVIDIA GPU, whose libraries need /proc.
    """

    readable: tuple[str, ...]
    devices: tuple[str, ...]
    gpu: bool


def of_this_process() -> View:
    """Returns what this interpreter needs."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    libraries = [os.path.join(prefix, folder) for prefix in sorted(prefixes) for folder in ("lib", "lib64")]
    own = [module.__file__ for name, module in sys.modules.items() if name.startswith("fedjobs_") and "." not in name]
    needed = [*libraries, *(os.path.dirname(os.path.dirname(file)) for file in own if file is not None)]
    gpus = [device for pattern in _GPU_DEVICES for device in sorted(glob.glob(pattern))]
    return View(
        readable=readable(needed, sys.path, os.environ, os.getcwd(), gpu=bool(gpus)),
        devices=tuple(path for path in (*_DEVICES, *gpus) if os.path.exists(path) and not os.path.isdir(path)),
        gpu=bool(gpus),
    )


def readable(
    needed: Sequence[str], imports: Sequence[str], environment: Mapping[str, str], working: str, *, gpu: bool
) -> tuple[str, ...]:
    """Returns the existing files and folders that a runner host reads, without those inside others.

    Args:
        needed: The folders of the interpreter and of this project.
        imports: The folders of other packages.
        environment: LD_LIBRARY_PATH names the folders of further libraries.
        working: The working directory. A silo's files may be there, so it is not visible as a whole.
        gpu: Whether GPU libraries run.
    """
    libraries = environment.get("LD_LIBRARY_PATH", "").split(":")
    hidden = _NEVER | {os.path.realpath(working), os.path.realpath(os.path.expanduser("~"))}
    chosen = [path for path in (*imports, *libraries) if os.path.isabs(path) and os.path.realpath(path) not in hidden]
    wanted = (*_SYSTEM, *(_GPU_SYSTEM if gpu else ()), *needed, *chosen)
    found = [path for path in wanted if os.path.exists(path)]
    # Links in other folders can lead to a folder by its real path.
    return tuple(_outermost(os.path.normpath(each) for path in found for each in (path, os.path.realpath(path))))


def _outermost(paths: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(path.startswith(f"{other}/") for other in kept):
            kept.append(path)
    return kept
