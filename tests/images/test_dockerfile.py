"""Properties of the images that the text of the Dockerfile shows."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from tests.images.dockerfiles import ROOT, stages

STAGES = stages()
IMAGES = ("operator", "coordinator", "worker", "worker-gpu")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())


def test_its_base_can_be_chosen_and_is_a_standard_image() -> None:
    assert STAGES[""].all("ARG") == ["BASE=python:3.11-slim-bookworm"]
    assert {STAGES["stripped"].base, STAGES["uv"].base} == {
        "${BASE}"
    }  # the same Python builds the image and runs in it


def test_uv_is_the_one_that_make_installs() -> None:
    [version] = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert f"UV_VERSION={version}" in STAGES["uv"].all("ARG")


@pytest.mark.parametrize("name", IMAGES)
class TestEveryImage:
    def test_starts_from_a_base_without_programs(self, name: str) -> None:
        assert STAGES[name].base == "runtime"
        assert STAGES["runtime"].base == "scratch"
        assert "-delete" in STAGES["stripped"].all("RUN")[-1]

    def test_runs_as_a_numeric_user_who_is_not_root(self, name: str) -> None:
        assert STAGES["runtime"].all("USER") == ["65532:65532"]
        assert STAGES[name].all("USER") == []

    def test_only_copies(self, name: str) -> None:
        assert STAGES[name].all("RUN") == STAGES[name].all("ADD") == []

    def test_has_the_dependencies_first_and_the_code_last(self, name: str) -> None:
        dependencies, code = STAGES[name].all("COPY")
        assert dependencies == f"--from={name}-dependencies /opt/fedjobs /opt/fedjobs"
        assert code == "--from=project /project /opt/fedjobs/lib/python3.11/site-packages"

    def test_starts_its_module_without_a_shell(self, name: str) -> None:
        [entrypoint] = STAGES[name].all("ENTRYPOINT")
        module = f"fedjobs_{name.removesuffix('-gpu')}"
        assert json.loads(entrypoint) == ["/opt/fedjobs/bin/python", "-m", module]

    def test_says_what_it_is(self, name: str) -> None:
        labels = " ".join(STAGES[name].all("LABEL"))
        for label in ("title", "description", "licenses", "version", "revision"):
            assert f"org.opencontainers.image.{label}=" in labels


@pytest.mark.parametrize(
    ("name", "extras"),
    [("operator", {"operator"}), ("coordinator", {"coordinator"}), ("worker", {"worker", "agent"})],
)
def test_dependencies_are_those_of_the_lock(name: str, extras: set[str]) -> None:
    [exports] = STAGES["lock"].all("RUN")
    [export] = [each for each in exports.split("&&") if f"-o /lock/{name}.txt" in each]
    [command] = STAGES["lock"].all("ARG")
    assert "$EXPORT --extra" in export
    assert "uv export --quiet --frozen --no-dev --no-emit-project" in command
    assert set(re.findall(r"--extra (\S+)", export)) == extras <= PROJECT["project"]["optional-dependencies"].keys()
    [install] = STAGES[f"{name}-dependencies"].all("RUN")
    assert re.search(rf"uv pip sync .*--require-hashes .*{name}\.txt", install)


def test_tensorflow_for_gpus_has_the_locked_release() -> None:
    versions = {package["name"]: package.get("version") for package in LOCK["package"]}
    [packages] = [rest for rest in STAGES["worker-gpu-dependencies"].all("ARG") if rest.startswith("GPU_PACKAGES")]
    assert f"tensorflow=={versions['tensorflow-cpu']}" in packages
    assert all("==" in package for package in packages.partition("=")[2].strip('"').split())


def test_the_wheel_contains_all_code() -> None:
    copied = {rest.split()[0] for rest in STAGES["project"].all("COPY")}
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.partition("/")[0] for package in packages} <= copied


def test_a_builder_gets_only_the_files_that_are_copied() -> None:
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule and not rule.startswith("#")]
    copied = {
        source
        for stage in STAGES.values()
        for rest in stage.all("COPY")
        if not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
