"""Draws a shard as SVG: which inputs reach which outputs, and which functions its programs call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from fedjobs_protocol.v1 import shard_pb2
from fedjobs_verifier import graph_pb2 as pb

from fedjobs_worker.consent.graphs.flows import Holds, OutputFlow
from fedjobs_worker.consent.graphs.listings import PROGRAMS, functions_of, printable, short

_CHARACTER, _LINE, _PAD, _GAP, _COLUMN = 7.4, 16, 8, 14, 90  # in pixels
_LONGEST = 48  # characters of a line in a box
_MOST_LINES = 14  # in a box
_MOST_BOXES = 400
_COLOURS = {
    Holds.NOTHING: "#eeeeee",
    Holds.SUMS: "#d5ecd4",
    Holds.GROUPS: "#fdebc8",
    Holds.RECORDS: "#f6c9c5",
}
_DATA, _GIVEN, _CODE = "#fdebc8", "#eeeeee", "#dbe7f5"


@dataclass(frozen=True)
class _Box:
    """A box with lines of text. Its position is that of its upper left corner."""

    lines: tuple[str, ...]
    colour: str
    x: int = 0
    y: int = 0

    @property
    def width(self) -> int:
        return int(max((len(line) for line in self.lines), default=0) * _CHARACTER) + 2 * _PAD

    @property
    def height(self) -> int:
        return len(self.lines) * _LINE + 2 * _PAD


def picture(title: str, shard: shard_pb2.Shard, flows: Sequence[OutputFlow]) -> str:
    """Returns an SVG document.

    Args:
        title: What is shown.
        shard: A shard that was verified.
        flows: What reaches its outputs.
    """
    top = 3 * _LINE
    flow_boxes, flow_edges = _flow_boxes(flows)
    flow_boxes = _placed(flow_boxes, top)
    below = max((box.y + box.height for column in flow_boxes for box in column), default=top) + 3 * _LINE
    call_boxes, call_edges = _call_boxes(shard)
    call_boxes = _placed(call_boxes, below)
    drawn = [*_drawn(flow_boxes, flow_edges), *_drawn(call_boxes, call_edges)]
    boxes = [box for column in (*flow_boxes, *call_boxes) for box in column]
    width = max((box.x + box.width for box in boxes), default=0) + _GAP
    height = max((box.y + box.height for box in boxes), default=below) + _GAP
    captions = [
        _text(_GAP, _LINE + 4, title, bold=True),
        _text(_GAP, top - _PAD, "Which inputs can reach which output"),
        _text(_GAP, below - _PAD, "Programs and the functions that they call, with the number of operations"),
    ]
    width = max(width, int((min(len(title), _LONGEST) + 4) * _CHARACTER))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            *captions,
            *drawn,
            "</svg>\n",
        ]
    )


_Columns = list[list[_Box]]
_Edges = list[tuple[tuple[int, int], tuple[int, int]]]
"""From a box to a box, each by its column and its place in it."""


def _flow_boxes(flows: Sequence[OutputFlow]) -> tuple[_Columns, _Edges]:
    groups: dict[OutputFlow, list[str]] = {}
    for flow in flows:
        groups.setdefault(replace(flow, name=""), []).append(flow.name)
    sources = list(dict.fromkeys(source for flow in groups for source in flow.sources))[:_MOST_BOXES]
    data = [" of client input " in source or source == "number of records" for source in sources]
    columns: _Columns = [
        [_box([source], _DATA if own else _GIVEN) for source, own in zip(sources, data, strict=True)],
        [_box(_way(flow), _CODE) for flow in groups],
        [
            _box([*_meaning(flow), *(f"  {name}" for name in names)], _COLOURS[flow.holds])
            for flow, names in groups.items()
        ],
    ]
    edges: _Edges = []
    for number, flow in enumerate(groups):
        edges += [((0, sources.index(source)), (1, number)) for source in flow.sources if source in sources]
        edges.append(((1, number), (2, number)))
    return columns, edges


def _way(flow: OutputFlow) -> list[str]:
    if flow.holds is Holds.NOTHING:
        return ["without the silo's data"]
    return ["aggregated by", *(f"  {each}" for each in flow.through)] if flow.through else ["not aggregated"]


def _meaning(flow: OutputFlow) -> list[str]:
    said = {
        Holds.NOTHING: "no data",
        Holds.SUMS: "sums over records",
        Holds.GROUPS: "sums over groups of records",
        Holds.RECORDS: "WARNING: can hold single records",
    }
    over = [] if flow.added_over_clients or flow.holds is Holds.NOTHING else ["WARNING: not added over clients"]
    return [said[flow.holds], *over]


def _call_boxes(shard: shard_pb2.Shard) -> tuple[_Columns, _Edges]:
    """Each program is in the first column. A function is right of all that call it."""
    bodies: dict[str, Sequence[pb.Node]] = {}
    functions: dict[str, pb.Function] = {}
    for program in PROGRAMS:
        nodes: list[pb.Node] = []
        for segment in getattr(shard, program).segments:
            graph = pb.Graph.FromString(segment.graph_def)
            nodes += graph.node
            functions |= functions_of(graph)
        bodies[program] = nodes
    roots = list(bodies)
    bodies |= {name: function.node_def for name, function in list(functions.items())[:_MOST_BOXES]}
    calls = {name: [each for each in _called(nodes) if each in bodies] for name, nodes in bodies.items()}
    depth = _depths(roots, calls)
    columns: _Columns = [[] for _ in range(max(depth.values()) + 1)]
    place: dict[str, tuple[int, int]] = {}
    for name, level in depth.items():
        place[name] = level, len(columns[level])
        columns[level].append(_box(_content(name, bodies[name]), _CODE))
    edges = [(place[name], place[each]) for name in depth for each in calls[name]]
    return columns, edges


def _depths(roots: Iterable[str], calls: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Returns how many calls lead to each function at most. Functions do not call themselves."""
    depth = dict.fromkeys(roots, 0)
    pending = list(depth)
    while pending:
        name = pending.pop(0)
        for other in calls[name]:
            if depth.get(other, -1) <= depth[name]:
                depth[other] = depth[name] + 1
                pending.append(other)
    return depth


def _called(nodes: Iterable[pb.Node]) -> list[str]:
    names: dict[str, None] = {}
    for node in nodes:
        for key in sorted(node.attr):
            value = node.attr[key]
            if value.HasField("func"):
                names[value.func.name] = None
            names |= dict.fromkeys(each.name for each in value.list.func)
    return list(names)


def _content(name: str, nodes: Sequence[pb.Node]) -> list[str]:
    counted = Counter(node.op for node in nodes if node.op not in ("Const", "Identity", "Placeholder", "NoOp"))
    title = f"program {name}" if name in PROGRAMS else short(name)
    return [f"{title} ({len(nodes)})", *(f"  {op}{f' x{n}' if n > 1 else ''}" for op, n in counted.most_common())]


def _box(lines: Sequence[str], colour: str) -> _Box:
    shown = [printable(line) for line in lines]
    shown = [line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..." for line in shown]
    if len(shown) > _MOST_LINES:
        shown = [*shown[: _MOST_LINES - 1], f"... and {len(shown) - _MOST_LINES + 1} more"]
    return _Box(tuple(shown), colour)


def _placed(columns: _Columns, top: int) -> _Columns:
    x, placed = _GAP, []
    for column in columns:
        y, boxes = top, []
        for box in column:
            boxes.append(replace(box, x=x, y=y))
            y += box.height + _GAP
        placed.append(boxes)
        x += max((box.width for box in column), default=0) + _COLUMN
    return placed


def _drawn(columns: _Columns, edges: _Edges) -> list[str]:
    lines = []
    for (one_column, one), (other_column, other) in edges:
        a, b = columns[one_column][one], columns[other_column][other]
        x1, y1, x2, y2 = a.x + a.width, a.y + a.height // 2, b.x, b.y + b.height // 2
        middle = (x1 + x2) // 2
        lines.append(f'<path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" stroke="#777777"/>')
    for column in columns:
        for box in column:
            lines.append(
                f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="4" '
                f'fill="{box.colour}" stroke="#555555"/>'
            )
            lines += [
                _text(box.x + _PAD, box.y + _PAD + (number + 1) * _LINE - 4, line)
                for number, line in enumerate(box.lines)
            ]
    return lines


def _text(x: int, y: int, text: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" xml:space="preserve"{weight}>{escape(printable(text))}</text>'
