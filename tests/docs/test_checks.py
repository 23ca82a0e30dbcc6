"""The hooks of pre-commit are the checks of `make lint`, as CONTRIBUTING.md claims."""

import re

import yaml

from tests.docs.pages import ROOT


def test_the_hooks_are_the_checks_of_make_lint() -> None:
    [recipe] = re.findall(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checks = {line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()}
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in local["hooks"]}
    # A hook gets the names of files, and formats them. A check does not format.
    assert entries == {check.removesuffix(" --check") if check.startswith("ruff") else check for check in checks}


def test_every_file_that_make_crds_writes_is_checked() -> None:
    text = (ROOT / "Makefile").read_text()
    written = set(re.findall(r"^\t\$\(BIN\)/python (.*) --write$", text, re.MULTILINE))
    assert written == {"-m fedjobs_api.crds", "helm/crds.py", "helm/silo_values.py"}
    assert written <= set(re.findall(r"^\t\$\(BIN\)/python (.*) --check$", text, re.MULTILINE))
