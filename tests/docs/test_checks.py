"""The hooks of pre-commit are the checks of `make lint`, as CONTRIBUTING.md says."""

import re

import yaml

from tests.docs.pages import ROOT


def test_a_commit_is_checked_as_make_lint_checks() -> None:
    [recipe] = re.findall(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checks = {line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()}
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"].removeprefix(".venv/bin/").removesuffix(" --force-exclude") for hook in local["hooks"]}
    # A hook is given the names of files, and formats them; a check formats nothing.
    assert entries == {check.removesuffix(" --check") if check.startswith("ruff") else check for check in checks}


def test_every_file_that_make_crds_writes_is_checked() -> None:
    text = (ROOT / "Makefile").read_text()
    written = set(re.findall(r"^\t\$\(BIN\)/python (.*) --write$", text, re.MULTILINE))
    assert written == {"-m fedjobs_api.crds", "helm/crds.py", "helm/silo_values.py"}
    assert written <= set(re.findall(r"^\t\$\(BIN\)/python (.*) --check$", text, re.MULTILINE))
