"""Writes the signatures of the allowed operations from TensorFlow's register, or checks that they are up to date.

Needs TensorFlow, which the verifier itself does not. A change of the allow-list, or of TensorFlow's version, changes
the written file. Review its difference line by line: it is what the verifier lets pass.

    python verifier/signatures.py            write fedjobs_verifier/signatures.py
    python verifier/signatures.py --check    exit with status 1 if it is out of date
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fedjobs_verifier.allowed import ALLOWED_OPERATIONS
from fedjobs_verifier.dtypes import NAMES

PATH = Path(__file__).resolve().parent / "fedjobs_verifier" / "signatures.py"
_HEADER = '''"""The signatures of the allowed operations. Written by verifier/signatures.py: do not edit.

A line is an operation: its inputs, its outputs, and its attributes. An input or output has a data type, or the name of
the attribute with its type. `N*T` is N of them, `[Ts]` is one for each type of a list. An attribute has a kind, and its
allowed values or its minimum. STATEFUL lists the operations that have side effects, or may return another result when
they run again.
"""

# ruff: noqa: E501
TABLE = """
'''


def registered() -> dict[str, Any]:
    """Returns the definitions of all operations of the installed TensorFlow, by name."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session

    listed = op_def_pb2.OpList.FromString(bytes(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())))
    return {op.name: op for op in listed.op}


def signature(op: Any) -> str:
    """Returns the line of an operation."""
    inputs = ", ".join(map(_argument, op.input_arg))
    outputs = ", ".join(map(_argument, op.output_arg))
    attributes = "".join(f"; {_attribute(a)}" for a in op.attr)
    return f"{op.name}({inputs}) -> ({outputs}){attributes}"


def _argument(argument: Any) -> str:
    if argument.is_ref:
        raise ValueError(f"{argument.name} is a reference, and the verifier has no references")
    one = argument.type_attr or NAMES.get(argument.type, "")
    if argument.type_list_attr:
        one = f"[{argument.type_list_attr}]"
    return f"{argument.name}:{f'{argument.number_attr}*' if argument.number_attr else ''}{one}"


def _attribute(attribute: Any) -> str:
    allowed = attribute.allowed_values.list
    words = [NAMES[t] for t in allowed.type if t in NAMES] or [repr(s.decode()) for s in allowed.s]
    values = f"{{{' '.join(words)}}}" if words else ""
    least = f">={attribute.minimum}" if attribute.has_minimum else ""
    return f"{attribute.name}:{attribute.type}{values}{least}"


def content() -> str:
    """Returns the content of the written file."""
    known = registered()
    lines = [signature(known[name]) for name in sorted(ALLOWED_OPERATIONS)]
    stateful = sorted(name for name in ALLOWED_OPERATIONS if known[name].is_stateful)
    return _HEADER + "\n".join(lines) + '\n"""\n\nSTATEFUL = """\n' + "\n".join(stateful) + '\n"""\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with status 1 if it is out of date")
    if not parser.parse_args().check:
        PATH.write_text(content())
        return 0
    if PATH.read_text() == content():
        return 0
    print(f"{PATH.name} is out of date: run python verifier/signatures.py", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
