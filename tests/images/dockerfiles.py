"""Parses the Dockerfile into stages and instructions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """A stage: its base image and its instructions."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == instruction]


def stages(path: Path = ROOT / "Dockerfile") -> dict[str, Stage]:
    """Returns the stages by name, in their order. Instructions before the first stage have the name ''."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    found = {"": Stage("")}
    current = found[""]
    for line in filter(str.strip, text.replace("\\\n", " ").splitlines()):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found[name.strip()] = Stage(base.strip())
        else:
            current.instructions.append((instruction, rest.strip()))
    return found
