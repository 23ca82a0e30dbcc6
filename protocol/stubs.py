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
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Package:
    """A folder of .proto files.

    Attributes:
        root: The folder from which they import each other, relative to the project.
        path: The folder that holds them, relative to the root.
        calls: Whether they define gRPC services.
    """

    root: str
    path: Path
    calls: bool


PACKAGES = (
    Package("protocol", Path("fedjobs_protocol/v1"), calls=True),
    Package("verifier", Path("fedjobs_verifier"), calls=False),
)


def generate(package: Package, into: Path) -> list[Path]:
    """Runs protoc and returns the written paths, relative to `into`."""
    plugin = Path(sys.executable).with_name("protoc-gen-mypy")
    outputs = [f"--python_out={into}", f"--mypy_out=quiet:{into}"]
    if package.calls:
        outputs.append(f"--grpc_python_out={into}")
    root = PROJECT / package.root
    protos = sorted(str(package.path / path.name) for path in (root / package.path).glob("*.proto"))
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--plugin=protoc-gen-mypy={plugin}",
        *outputs,
        *protos,
    ]
    subprocess.run(command, cwd=root, check=True)
    return sorted(path.relative_to(into) for path in into.glob(f"{package.path}/*_pb2*"))


def drifted(package: Package, generated: Path, names: list[Path]) -> list[Path]:
    root = PROJECT / package.root
    committed = {path.relative_to(root) for path in (root / package.path).glob("*_pb2*")}
    different = {
        name for name in committed & set(names) if (root / name).read_bytes() != (generated / name).read_bytes()
    }
    return sorted(different | (committed ^ set(names)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with status 1 if a stub is out of date"
    )
    if not parser.parse_args().check:
        for package in PACKAGES:
            generate(package, PROJECT / package.root)
        return 0
    found = []
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            names = drifted(package, Path(folder), generate(package, Path(folder)))
        found += [f"{package.root}/{name}" for name in names]
    for path in found:
        print(f"{path} is out of date: run `make stubs`", file=sys.stderr)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
