from __future__ import annotations

from pathlib import Path

import pytest
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_worker import silo_files
from fedjobs_worker.data import datasets

WHOLE = """
silo: hospital-a
datasets:
  digits:
    source: {csv: {path: "data/*.csv"}}
    features: {columns: [p0, p1]}
    label: digit
    clients: {column: patient}
    clientsPerRound: 10
policy:
  requesters: [alice@example.org]
  minClients: 3
  computations: {operations: {allow: [DecodePng]}}
runner: {threads: 2, gpu: {resourceName: nvidia.com/gpu}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "silo.yaml"
    path.write_text(text)
    return path


def error_of(folder: Path, text: str) -> FedjobsError:
    with pytest.raises(FedjobsError) as caught:
        silo_files.load(written(folder, text))
    assert caught.value.code is ErrorCode.INVALID_SILO_FILE
    return caught.value


def test_a_complete_file_is_read(tmp_path: Path) -> None:
    silo = silo_files.load(written(tmp_path, WHOLE))
    digits = silo.datasets["digits"]
    assert silo.silo == "hospital-a"
    assert digits.label == silo_files.Label(column="digit", dtype="int32")
    assert digits.clients_per_round == 10
    assert silo.policy.min_clients == 3
    assert silo.policy.computations.operations.allow == ["DecodePng"]


def test_paths_are_relative_to_the_files_folder(tmp_path: Path) -> None:
    source = silo_files.load(written(tmp_path, WHOLE)).datasets["digits"].source
    assert source.csv is not None
    assert source.csv.path == str(tmp_path / "data/*.csv")


def test_a_url_is_unchanged(tmp_path: Path) -> None:
    source = (
        silo_files.load(written(tmp_path, WHOLE.replace("data/*.csv", "s3://bucket/*.csv"))).datasets["digits"].source
    )
    assert source.csv is not None
    assert source.csv.path == "s3://bucket/*.csv"


def test_a_dumped_file_is_the_same_in_another_folder(tmp_path: Path) -> None:
    silo = silo_files.load(written(tmp_path, WHOLE))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert silo_files.load(written(elsewhere, silo_files.dump(silo))) == silo


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (WHOLE.replace("clientsPerRound", "clientPerRound"), "unknown field datasets.digits.clientPerRound"),
        (WHOLE.replace("Round: 10", "Round: 0"), "field datasets.digits.clientsPerRound has the value 0"),
        (WHOLE.replace("hospital-a", "Hospital A"), "field silo has the value 'Hospital A'"),
        (WHOLE.replace("silo: hospital-a", ""), "field silo is missing"),
        (WHOLE.replace(": digit\n", ": {column: d, dtype: flot}\n"), "label.dtype has the value 'flot'"),
        (WHOLE.replace("{columns: [p0, p1]}", "{}"), "exactly one of columns, spec"),
        (WHOLE.replace("{csv: {path", "{cvs: {path"), "unknown field datasets.digits.source.cvs"),
        (
            WHOLE.replace("{allow: [DecodePng]}", "{allowed: [DecodePng]}"),
            "unknown field policy.computations.operations.allowed",
        ),
        ("just text", "the document has the value 'just text'"),
        ("a: [", "is not valid YAML"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_its_value(tmp_path: Path, wrong: str, expected: str) -> None:
    error = error_of(tmp_path, wrong)
    assert expected in error.message
    assert str(tmp_path / "silo.yaml") in error.message
    assert error.remedy


def test_a_misspelt_field_gets_a_suggestion(tmp_path: Path) -> None:
    assert (
        "Did you mean 'clientsPerRound'?"
        in error_of(tmp_path, WHOLE.replace("clientsPerRound", "clientPerRound")).remedy
    )


def test_one_file_can_contain_several_silos(tmp_path: Path) -> None:
    path = written(tmp_path, f"{WHOLE}---\n{WHOLE.replace('hospital-a', 'hospital-b')}")
    assert [silo.silo for silo in silo_files.load_all(path)] == ["hospital-a", "hospital-b"]


def test_an_error_in_one_of_several_silos_names_the_document(tmp_path: Path) -> None:
    path = written(tmp_path, f"{WHOLE}---\nsilo: hospital-b\nx: 1\n")
    with pytest.raises(FedjobsError, match=r"\(document 2\): unknown field x"):
        silo_files.load_all(path)


def test_two_silos_with_the_same_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError, match="2 silos have the name 'hospital-a' in the field silo"):
        silo_files.load_all(written(tmp_path, f"{WHOLE}---\n{WHOLE}"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FedjobsError, match=r"none\.yaml cannot be read"):
        silo_files.load(tmp_path / "none.yaml")


def test_a_folder_whose_name_looks_like_a_pattern_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "study [2024]"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("f,y\n1,0\n")
    for path, examples in (("a.csv", 1), ("*.csv", 2)):
        source = f"{{csv: {{path: '{path}'}}}}"
        text = f"silo: s\ndatasets: {{d: {{source: {source}, features: {{columns: [f]}}, label: y}}}}\n"
        (folder / "silo.yaml").write_text(text)
        assert datasets.load(silo_files.load(folder / "silo.yaml").datasets["d"]).offsets.tolist() == [0, examples]
