"""Chooses the environment variables that the processes of a run inherit."""

from __future__ import annotations

from collections.abc import Mapping

_EVERYONE = (
    "HOME", "USER", "LOGNAME", "PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "SSL_CERT_FILE",
)  # fmt: skip
_EVERYONES_PREFIXES = ("LC_",)
# A silo's loader reads any URL that fsspec supports. It needs the credentials and the proxies for that.
_SILOS_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "GCS", "FSSPEC_", "S3_", "HF_")
_SILOS = frozenset({"http_proxy", "https_proxy", "no_proxy", "all_proxy"})
_NO_GPU = "-1"


def environment(caller: Mapping[str, str], role: str) -> dict[str, str]:
    """Returns the environment of a process of a run.

    Args:
        caller: The environment of the process that starts it.
        role: `coordinator`, `worker` or `runner-host`.
    """
    inherited = {
        name: value
        for name, value in caller.items()
        if name in _EVERYONE or name.startswith(_EVERYONES_PREFIXES) or (role == "worker" and _is_a_silos(name))
    }
    return inherited | {
        "TF_CPP_MIN_LOG_LEVEL": caller.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        # TensorFlow takes all memory of a GPU, and the silos share this machine. Only runners see a GPU, and only if
        # the caller sets CUDA_VISIBLE_DEVICES.
        "CUDA_VISIBLE_DEVICES": caller.get("CUDA_VISIBLE_DEVICES", _NO_GPU) if role == "runner-host" else _NO_GPU,
        "PYTHONUNBUFFERED": "1",
    }


def _is_a_silos(name: str) -> bool:
    return name.startswith(_SILOS_PREFIXES) or name.lower() in _SILOS
