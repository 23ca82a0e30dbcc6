"""The project accepts the examples in the pages."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.core
import typer.main
import yaml
from _pytest.mark import ParameterSet

from tests.docs.pages import PAGES, ROOT, Block, blocks, commands, name

YAML = [block for page in PAGES for block in blocks(page) if block.language == "yaml"]


def blocks_marked(word: str) -> list[Block]:
    return [block for block in YAML if block.text.startswith(f"# {word}\n")]


def lines(program: str) -> list[ParameterSet]:
    return [pytest.param(page, line, id=f"{name(page)}: {line}") for page, line in commands(program)]


def fedjobs_command() -> typer.core.TyperGroup:
    from fedjobs.cli import app

    command = typer.main.get_command(app)
    assert isinstance(command, typer.core.TyperGroup)
    return command


@pytest.mark.parametrize(("page", "line"), lines("fedjobs"))
def test_every_command_line_names_a_command_and_options_that_exist(page: Path, line: str) -> None:
    group = fedjobs_command()
    words = shlex.split(line)
    known_globals = {option for parameter in group.params for option in parameter.opts}
    while words and words[0].startswith("-"):
        assert words.pop(0) in known_globals | {"--help"}
    assert words, f"{name(page)}: {line} names no command"
    command = group.commands.get(words[0])
    while isinstance(command, typer.core.TyperGroup) and len(words) > 1:  # such as `fedjobs silo invite`
        words.pop(0)
        command = command.commands.get(words[0])
    assert command is not None, f"{name(page)}: there is no command {words[0]}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    assert options <= known | {"--help"}, f"{name(page)}: fedjobs {line}"


@pytest.mark.parametrize(("page", "line"), lines("make"))
def test_every_make_target_exists(page: Path, line: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert line.split()[0] in targets


@pytest.mark.parametrize("block", blocks_marked("job"), ids=lambda block: name(block.page))
def test_every_job_in_the_pages_is_valid(block: Block, tmp_path: Path) -> None:
    import fedjobs_api as api

    file = tmp_path / "job.yaml"
    file.write_text(block.text)
    api.load(file)


@pytest.mark.parametrize("block", blocks_marked("silo"), ids=lambda block: name(block.page))
def test_every_silo_in_the_pages_is_valid(block: Block, tmp_path: Path) -> None:
    from fedjobs_worker import silo_files

    file = tmp_path / "silo.yaml"
    file.write_text(block.text)
    silo_files.load(file)


@pytest.mark.parametrize("block", YAML, ids=lambda block: name(block.page))
def test_every_other_yaml_block_is_yaml(block: Block) -> None:
    list(yaml.safe_load_all(block.text))


def test_python_in_the_pages_can_be_parsed() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.language == "python":
                ast.parse(block.text)
