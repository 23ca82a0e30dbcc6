"""The committed files of the CRDs, without a cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from fedjobs_api.conditions import JobCondition
from fedjobs_api.crds import files
from fedjobs_api.crds.schemas import UntranslatableError, structural
from fedjobs_api.federated_jobs import FederatedJob
from fedjobs_common.models import Model
from pydantic import Field

from tests.crds.schemas import definition, fields, schema

CRDS = ("federatedjobs.yaml", "silos.yaml")
LARGEST = 100_000  # bytes; client-side `kubectl apply` stores a copy in an annotation, whose limit is 256 KiB


def test_the_committed_files_match_the_models() -> None:
    assert files.drifted() == [], "run `python -m fedjobs_api.crds`"


def test_an_outdated_file_is_named_and_written_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fedjobs_api.crds", "--folder", str(tmp_path)]
    subprocess.run(command, check=True)
    (tmp_path / "silos.yaml").write_text("kind: Other\n")
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert (checked.returncode, "crds/silos.yaml is out of date" in checked.stderr) == (1, True)
    subprocess.run([*command, "--write"], check=True)
    assert files.drifted(tmp_path) == []


@pytest.mark.parametrize("name", CRDS)
def test_a_crd_is_small_enough_for_client_side_apply(name: str) -> None:
    assert (files.FOLDER / name).stat().st_size < LARGEST


@pytest.mark.parametrize("name", CRDS)
def test_every_field_has_a_description(name: str) -> None:
    def is_named(path: str) -> bool:
        return not path.startswith(".metadata") and not path.endswith(("[0]", ".key"))

    without = [path for path, field in fields(schema(name)) if is_named(path) and not field.get("description")]
    assert without == []
    assert all(
        field["items"].get("description") for _, field in fields(schema(name)) if "properties" in field.get("items", {})
    )


@pytest.mark.parametrize("name", CRDS)
def test_descriptions_have_no_markup_and_end_as_sentences(name: str) -> None:
    said = [field["description"] for _, field in fields(schema(name)) if "description" in field]
    assert [text for text in said if "`" in text or not text.endswith(".")] == []


@pytest.mark.parametrize("name", CRDS)
def test_a_status_has_no_floats_and_only_optional_fields(name: str) -> None:
    status = schema(name)["properties"]["status"]
    assert [path for path, field in fields(status) if field.get("type") == "number"] == []
    assert "required" not in status


@pytest.mark.parametrize("name", CRDS)
def test_conditions_are_list_maps_of_metav1_conditions(name: str) -> None:
    conditions = schema(name)["properties"]["status"]["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert set(conditions["items"]["required"]) == {"type", "status", "lastTransitionTime", "reason", "message"}


@pytest.mark.parametrize("name", CRDS)
def test_fields_of_rules_are_bounded(name: str) -> None:
    bounds = {"string": ("maxLength", "enum"), "array": ("maxItems",)}
    spec = schema(name)["properties"]["spec"]
    unbounded = [
        path
        for path, field in fields(spec)
        if (field.get("type") in bounds and not set(bounds[field["type"]]) & set(field))
        or ("additionalProperties" in field and "maxProperties" not in field)
    ]
    assert unbounded == []


def test_only_parameters_and_the_invitation_are_free_form() -> None:
    free = [
        path for path, field in fields(schema("federatedjobs.yaml")) if "x-kubernetes-preserve-unknown-fields" in field
    ]
    assert sorted(free) == [".spec.program.parameters", ".status.invitation"]


def test_kubectl_get_shows_the_documented_columns() -> None:
    columns = definition("federatedjobs.yaml")["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns if "priority" not in column] == [
        "Phase",
        "Round",
        "Ready",
        "Silos",
        "Restarts",
        "Age",
    ]


def test_all_types_of_conditions_are_listed_in_the_description() -> None:
    status = schema("federatedjobs.yaml")["properties"]["status"]["properties"]
    assert [condition for condition in JobCondition if condition not in status["conditions"]["description"]] == []


def test_the_schema_has_the_defaults_of_the_model() -> None:
    spec = schema("federatedjobs.yaml")["properties"]["spec"]
    model: Any = FederatedJob.model_fields["spec"].annotation
    assert spec["properties"]["backoffLimit"]["default"] == model.model_fields["backoff_limit"].default
    assert spec["properties"]["output"]["properties"]["formats"]["default"] == ["savedmodel", "keras"]


class Untold(Model):
    names: list[str]


class TwoTypes(Model):
    amount: int | str


class Unmarked(Model):
    anything: dict[str, Any]


class Multiple(Model):
    amount: Annotated[int, Field(multiple_of=3)]


@pytest.mark.parametrize("model", [Untold, TwoTypes, Unmarked, Multiple])
def test_an_untranslatable_model_is_an_error_that_names_the_field(model: type[Model]) -> None:
    field = next(iter(model.model_fields))
    with pytest.raises(UntranslatableError, match=rf"^{model.__name__}\.{field}: "):
        structural(model)
