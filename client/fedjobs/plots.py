"""Plots learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fedjobs import metrics

FILE = "learning-curves.png"
_PANEL = (4.8, 3.4)  # inches


def learning_curves(rounds: Sequence[dict[str, float]], path: Path, title: str = "") -> bool:
    """Plots one panel for each metric, with training, evaluation and a thin line for each evaluated silo.

    Args:
        rounds: The metrics of each round, as in `RunResult.metrics`.
        path: The path of the PNG file.
        title: The title of the figure.

    Returns:
        Whether a file was written. A curve needs at least two rounds.
    """
    names = metrics.ordered(
        name.rpartition("/")[2] for entry in rounds for name in entry if "/" in name and not metrics.is_count(name)
    )
    if len(rounds) < 2 or not names:
        return False
    # Imported here because it takes a third of a second. Unlike pyplot, it needs no display and no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(_PANEL[0] * len(names), _PANEL[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for position, name in enumerate(names, 1):
        axes = figure.add_subplot(1, len(names), position)
        for curve, points in _curves(rounds, name).items():
            of_a_silo = "/silo/" in curve
            label = curve.rpartition("/")[2] if of_a_silo else curve
            numbers, values = zip(*points, strict=True)
            marker = "o" if len(points) == 1 else ""
            axes.plot(numbers, values, label=label, linewidth=0.8 if of_a_silo else 2, marker=marker)
        axes.set_title(name)
        axes.set_xlabel("round")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="small")
    if title:
        figure.suptitle(title)
    figure.savefig(path, dpi=120)
    return True


def _curves(rounds: Sequence[dict[str, float]], metric: str) -> dict[str, list[tuple[float, float]]]:
    """Returns `{"train": [(round, value), ...], "evaluation": ..., "evaluation/silo/hospital-a": ...}`."""
    found: dict[str, list[tuple[float, float]]] = {}
    for entry in rounds:
        for name, value in entry.items():
            group, _, last = name.rpartition("/")
            if group and last == metric:
                found.setdefault(group, []).append((entry["round"], value))
    return dict(sorted(found.items(), key=lambda item: ("/silo/" in item[0], item[0])))
