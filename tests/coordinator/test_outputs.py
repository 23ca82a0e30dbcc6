"""The export of results to a folder or an S3 server, with verification, and errors of outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fedjobs_common import retries
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.jobs.result_manifests import ResultManifest, manifest_of
from fedjobs_coordinator.state.outputs import Output
from fsspec.implementations.memory import MemoryFileSystem

from .builders import JOB
from .object_stores import BUCKET, Gate, ObjectStore, options_file

RESULT = {
    "result.json": b'{"program": "fedavg"}\n',
    "metrics.jsonl": b'{"round": 1}\n',
    "model/weights.safetensors": os.urandom(9_000_000),  # more than one part
    "model/savedmodel/variables/none": b"",
}


class _Counting(MemoryFileSystem):
    """The file system `counting://` for tests. It records writes and injects errors."""

    protocol = "counting"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    puts: ClassVar[list[str]] = []
    removed: ClassVar[list[str]] = []
    failures: ClassVar[list[Exception]] = []
    spoils: ClassVar[list[str]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(MemoryFileSystem._strip_protocol(path.replace("counting://", "/")))

    def put_file(self, lpath: str, rpath: str, **kwargs: Any) -> None:
        if self.failures:
            raise self.failures.pop()
        name = rpath.rpartition("/out/")[2]
        self.puts.append(name)
        content = Path(lpath).read_bytes()
        if name in self.spoils:
            self.spoils.remove(name)
            content = b"x" + content[1:]
        self.pipe_file(rpath, content)

    def rm_file(self, path: str) -> None:
        self.removed.append(path.rpartition("/out/")[2])
        super().rm_file(path)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[_Counting]:
    for name, empty in (("store", {}), ("pseudo_dirs", [""]), ("puts", []), ("removed", [])):
        monkeypatch.setattr(_Counting, name, empty)
    monkeypatch.setattr(_Counting, "failures", [])
    monkeypatch.setattr(_Counting, "spoils", [])
    monkeypatch.setattr(retries, "_STEP_LONGEST_S", 0.001)
    fsspec.register_implementation("counting", _Counting, clobber=True)
    return _Counting


@pytest.fixture
def result(tmp_path: Path) -> Path:
    folder = tmp_path / "result"
    for name, content in RESULT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _manifest(folder: Path) -> ResultManifest:
    return manifest_of(JOB, folder)


def _with_manifest(folder: Path) -> dict[str, bytes]:
    return RESULT | {"manifest.json": _manifest(folder).to_json()}


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _error(call: Callable[[], object]) -> FedjobsError:
    with pytest.raises(FedjobsError) as raised:
        call()
    return raised.value


# --- the list of files


def test_the_digest_depends_on_the_files_only(result: Path, tmp_path: Path) -> None:
    first = _manifest(result)
    assert [file.path for file in first.files] == sorted(RESULT)
    assert manifest_of("another job", result).digest == first.digest
    (result / "metrics.jsonl").write_bytes(b'{"round": 2}\n')
    assert _manifest(result).digest != first.digest
    assert _manifest(tmp_path / "nothing").files == ()


# --- a folder


def test_a_result_is_exported_to_a_folder_that_may_not_exist_yet(result: Path, tmp_path: Path) -> None:
    target = tmp_path / "claim/models/digits"
    Output(f"file://{target}").export(_manifest(result), result)
    assert _files(target) == _with_manifest(result)


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    Output(f"file://{tmp_path}/claim").check("check")
    assert _files(tmp_path) == {}


def test_a_read_only_folder_is_refused() -> None:
    error = _error(lambda: Output("file:///sys/claim").check("check"))
    assert error.code is ErrorCode.INVALID_OUTPUT


def test_a_file_instead_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    error = _error(lambda: Output(f"file://{tmp_path}/taken/models").check("check"))
    assert error.code is ErrorCode.INVALID_OUTPUT
    assert "spec.output" in error.public


# --- S3


def test_a_result_is_exported_to_a_bucket(result: Path, tmp_path: Path, s3: ObjectStore) -> None:
    output = Output(f"s3://{BUCKET}/digits", options_file(tmp_path, s3.url))
    output.check("check")
    assert s3.contents() == {}
    output.export(_manifest(result), result)
    assert s3.contents() == {f"digits/{name}": content for name, content in _with_manifest(result).items()}
    output.export(_manifest(result), result)


def _refusals(output: Output, result: Path) -> list[tuple[Callable[[], object], ErrorCode]]:
    """Returns the calls and their errors: permanent before the computation, and retryable after it."""
    return [
        (lambda: output.check("check"), ErrorCode.INVALID_OUTPUT),
        (lambda: output.export(_manifest(result), result), ErrorCode.OUTPUT_UNAVAILABLE),
    ]


def test_a_missing_bucket_is_refused_and_not_created(result: Path, tmp_path: Path, s3: ObjectStore) -> None:
    output = Output("s3://elsewhere/digits", options_file(tmp_path, s3.url))
    for call, code in _refusals(output, result):
        error = _error(call)
        assert error.code is code
        assert "s3://elsewhere/digits" in error.public
        assert "the bucket or the folder must exist" in error.public
    assert [bucket["Name"] for bucket in s3.client("s3").list_buckets()["Buckets"]] == [BUCKET]


def test_an_invalid_bucket_name_is_refused(tmp_path: Path, s3: ObjectStore) -> None:
    error = _error(lambda: Output("s3://No Bucket/digits", options_file(tmp_path, s3.url)).check("check"))
    assert error.code is ErrorCode.INVALID_OUTPUT


def test_wrong_credentials_are_refused_and_not_shown(result: Path, tmp_path: Path, s3: ObjectStore) -> None:
    options = options_file(tmp_path, s3.url, key="nobody", secret="hush-hush")
    with s3.asking_for_credentials():
        output = Output(f"s3://{BUCKET}/digits", options)
        for call, code in _refusals(output, result):
            error = _error(call)
            assert error.code is code
            assert "Correct the credentials" in error.public
            assert "hush-hush" not in error.public


def test_an_unreachable_server_is_retried(result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_STEP_LONGEST_S", 0.001)
    waits: list[str] = []
    output = Output(f"s3://{BUCKET}/digits", _options_without_retries(tmp_path, "http://127.0.0.1:1"))
    error = _error(lambda: output.export(_manifest(result), result, lambda e, _: waits.append(e.code.label)))
    assert error.code is ErrorCode.OUTPUT_UNAVAILABLE
    assert error.retryable
    assert f"s3://{BUCKET}/digits" in error.public
    assert len(waits) == 5


def test_a_server_that_recovers_gets_the_remaining_files(result: Path, tmp_path: Path, s3: ObjectStore) -> None:
    with Gate(s3.port) as gate:
        output = Output(f"s3://{BUCKET}/digits", _options_without_retries(tmp_path, gate.url))
        output.check("check")
        gate.shut.set()
        output.export(_manifest(result), result, lambda *_: gate.shut.clear())
    assert s3.contents() == {f"digits/{name}": content for name, content in _with_manifest(result).items()}


def _options_without_retries(folder: Path, url: str) -> Path:
    """Writes options with which a client does not retry."""
    path = options_file(folder, url)
    patience = {"config_kwargs": {"read_timeout": 1, "retries": {"max_attempts": 0}}}
    path.write_text(json.dumps(json.loads(path.read_text()) | patience))
    return path


# --- any file system


def test_the_result_file_comes_last_and_the_manifest_before_it(result: Path, counting: type[_Counting]) -> None:
    Output("counting://out").export(_manifest(result), result)
    assert counting.puts[-2:] == ["manifest.json", "result.json"]
    assert sorted(counting.puts) == sorted(_with_manifest(result))


def test_an_interrupted_export_writes_only_the_rest(result: Path, counting: type[_Counting]) -> None:
    Output("counting://out").export(_manifest(result), result)
    memory = counting(skip_instance_cache=True)
    for missing in ("result.json", "metrics.jsonl"):
        memory.rm_file(f"/out/{missing}")
    memory.pipe_file("/out/model/weights.safetensors", b"half")
    counting.puts.clear()
    Output("counting://out").export(_manifest(result), result)
    assert counting.puts == ["metrics.jsonl", "model/weights.safetensors", "result.json"]


def test_a_complete_export_writes_nothing(result: Path, counting: type[_Counting]) -> None:
    Output("counting://out").export(_manifest(result), result)
    counting.puts.clear()
    counting.removed.clear()
    Output("counting://out").export(_manifest(result), result)
    assert (counting.puts, counting.removed) == ([], [])


def test_an_earlier_result_is_not_complete_while_it_is_replaced(result: Path, counting: type[_Counting]) -> None:
    memory = counting(skip_instance_cache=True)
    memory.pipe_file("/out/result.json", b"an earlier job's")
    counting.failures.append(PermissionError("no"))
    _error(lambda: Output("counting://out").export(_manifest(result), result))
    assert not memory.exists("/out/result.json")


def test_corrupt_files_are_written_again(result: Path, counting: type[_Counting]) -> None:
    counting.spoils += ["model/weights.safetensors", "result.json"]
    errors: list[str] = []
    Output("counting://out").export(_manifest(result), result, lambda error, _: errors.append(error.public))
    assert [error.partition(" at ")[0] for error in errors] == ["model/weights.safetensors", "result.json"]
    assert counting(skip_instance_cache=True).cat_file("/out/result.json") == RESULT["result.json"]


@pytest.mark.parametrize(
    ("uri", "options", "named"),
    [
        ("nowhere://x", None, "Protocol not known"),
        ("abfs://container/x", None, "adlfs"),
        ("file:///x", "{", "not valid JSON"),
        ("file:///x", "[]", "not a JSON object"),
        ("file:///x", "missing", "cannot be read"),
    ],
)
def test_an_invalid_output_is_refused_before_any_connection(
    tmp_path: Path, uri: str, options: str | None, named: str
) -> None:
    path = tmp_path / "options.json"
    if options not in (None, "missing"):
        path.write_text(options)
    error = _error(lambda: Output(uri, None if options is None else path))
    assert error.code is ErrorCode.INVALID_OUTPUT
    assert named in error.public
    assert error.remedy
