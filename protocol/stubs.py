"""Generates the Python stubs of the .proto files, or checks that the committed stubs are up to date.

The stubs are committed, so that the project can be installed and read without a compiler. grpcio-tools is pinned to a
release whose output works with protobuf 4.25, which TensorFlow 2.14 requires.

    python protocol/stubs.py            write the stubs
    python protocol/stubs.py --check    exit with status 1 and name each stub that is out of date
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = Path("fedjobs_protocol/v1")


def generate(into: Path) -> list[Path]:
    """Runs protoc and returns the written paths, relative to `into`."""
    plugin = Path(sys.executable).with_name("protoc-gen-mypy")
    outputs = [f"--python_out={into}", f"--grpc_python_out={into}", f"--mypy_out=quiet:{into}"]
    protos = sorted(str(PACKAGE / path.name) for path in (ROOT / PACKAGE).glob("*.proto"))
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--plugin=protoc-gen-mypy={plugin}",
        *outputs,
        *protos,
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    return sorted(path.relative_to(into) for path in into.glob(f"{PACKAGE}/*_pb2*"))


def drifted(generated: Path, names: list[Path]) -> list[Path]:
    committed = {path.relative_to(ROOT) for path in (ROOT / PACKAGE).glob("*_pb2*")}
    different = {
        name for name in committed & set(names) if (ROOT / name).read_bytes() != (generated / name).read_bytes()
    }
    return sorted(different | (committed ^ set(names)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with status 1 if a stub is out of date"
    )
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        names = drifted(Path(folder), generate(Path(folder)))
    for name in names:
        print(f"protocol/{name} is out of date: run `make stubs`", file=sys.stderr)  # noqa: T201
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
