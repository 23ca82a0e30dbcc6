"""A YAML loader that rejects duplicate fields. PyYAML silently keeps the last one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for name, _ in node.value:
            if name.tag == _MERGE or not isinstance(name, yaml.ScalarNode):
                continue
            if name.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the field {name.value!r} occurs twice", problem_mark=name.start_mark
                )
            seen.add(name.value)
        return super().construct_mapping(node, deep)


def documents(text: str) -> list[Any]:
    """Returns all documents that are not empty.

    Raises:
        yaml.YAMLError: The text is not valid YAML, or a field occurs twice.
    """
    loaded = yaml.load_all(text, Loader=_StrictLoader)
    return [document for document in loaded if document is not None]
