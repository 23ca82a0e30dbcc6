"""A line of a worker's log is read strictly, whatever it contains."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fedjobs_worker.consent.audit_chains import NOTHING
from fedjobs_worker.consent.audit_entries import MAX_LINE, End, Malformed, Written, bounded, end_line, parsed
from hypothesis import given, settings
from hypothesis import strategies as st

ENTRY = {
    "time": 12.5, "silo": "hospital-a", "job": "job-1", "subject": "result", "decision": "allowed", "bytes": 4,
    "sequence": 1, "previous": NOTHING,
}  # fmt: skip


def read(line: bytes) -> Written | End | Malformed:
    return parsed(line, "hospital-a", "job-1")


def with_(**changes: Any) -> bytes:
    return json.dumps(ENTRY | changes).encode()


def test_an_entry_is_read() -> None:
    said = read(with_(label="fit", datasets=["a"], clients=None))
    assert isinstance(said, Written)
    assert (said.sequence, said.previous, said.time) == (1, NOTHING, 12.5)
    assert said.entry["datasets"] == ["a"]
    assert not {"time", "sequence", "previous"} & set(said.entry)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b'"audit"',
        b"{",
        b"[" * 10_000,
        b'{"a":' * 2000,
        b"\xff\xfe",
        with_(time=float("nan")),
        with_(time=float("inf")),
        json.dumps(ENTRY).replace("12.5", "1e999").encode(),
        json.dumps(ENTRY).replace("12.5", "9" * 5000).encode(),
        with_(time=True),
        with_(time="12"),
        with_(time=None),
        with_(silo="hospital-b"),
        with_(job="job-2"),
        with_(job=["job-1"]),
        with_(subject="gap"),
        with_(subject="foreign"),
        with_(subject="approval"),
        with_(decision=None),
        with_(decision=True),
        with_(sequence=0),
        with_(sequence=-1),
        with_(sequence=1.0),
        with_(sequence=True),
        with_(sequence=10**6),
        with_(previous="0" * 63),
        with_(previous="A" * 64),
        with_(previous=None),
        with_(bytes=-1),
        with_(bytes="4"),
        with_(bytes=1e300),
        with_(bytes=10**19),
        with_(worker="u"),
        with_(workerTime=1),
        with_(origin="ab"),
        with_(unverified=False),
        with_(details={"a": 1}),
        with_(datasets=[1]),
        with_(datasets=[["a"]]),
        with_(**{"a\nb": 1}),
        with_(**{"": 1}),
        with_(**{"x" * 40: 1}),
        with_(label="x" * MAX_LINE),
        b'{"end": -1}',
        b'{"end": 1e3}',
        b'{"end": 1000000000}',
        with_()[:-1] + b', "bytes": 5}',
    ],
)
def test_another_line_is_malformed(line: bytes) -> None:
    assert isinstance(read(line), Malformed)


@pytest.mark.parametrize("time", [1e12, 1e300, -1, -1e300, 2**62])
def test_a_time_that_is_no_date_is_no_time(time: float) -> None:
    said = read(with_(time=time))
    assert isinstance(said, Written)
    assert said.time is None


def test_the_last_line_has_the_number_of_entries() -> None:
    assert read(end_line(7)) == End(7)


TEXTS = st.text(max_size=3000)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["label", "message", "shard", "rule", "a", "b"]), TEXTS | st.lists(TEXTS)))
def test_what_the_silo_writes_is_within_the_bounds(details: dict[str, Any]) -> None:
    entry = bounded({key: ENTRY[key] for key in ("time", "silo", "job", "subject", "decision")} | details)
    line = json.dumps(entry | {"sequence": 1, "previous": NOTHING}).encode()
    assert len(line) <= MAX_LINE
    assert isinstance(read(line), Written)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(repr))
def test_no_line_raises_an_error(line: bytes | str) -> None:
    read(line if isinstance(line, bytes) else line.encode(errors="surrogatepass"))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(ENTRY)), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])
)
def test_no_value_of_a_field_raises_an_error(name: str, value: Any) -> None:
    read(with_(**{name: value}))
