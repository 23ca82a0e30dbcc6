from rich.console import Console

from bench.payloads import parse
from bench.results import row
from bench.tables import cell, table


def a_row() -> dict[str, str | int | float | None]:
    seconds = {"system": [0.9, 0.02, 0.02], "limit": [0.01] * 3, "stock": [0.1] * 3}
    return row(parse("4KB"), 2, seconds, {"idle": 100_000, "peak": 104_096})


def test_a_row_compares_medians() -> None:
    made = a_row()
    assert made["round_s"] == 0.02
    assert made["ratio_to_limit"] == 0.5
    assert made["ratio_to_stock"] == 5.0


def test_memory_is_the_increase_over_idle_in_payloads() -> None:
    assert a_row()["peak_over_idle_x_payload"] == 1.0


def test_missing_measurements_are_null() -> None:
    made = row(parse("4KB"), 2, {"limit": [0.01], "system": []}, {})
    assert made["limit_s"] == 0.01
    assert made["round_s"] is None
    assert made["ratio_to_limit"] is None
    assert made["stock_round_s"] is None
    assert made["peak_over_idle_x_payload"] is None


def test_the_table_shows_each_row_with_its_units() -> None:
    console = Console(width=80)
    with console.capture() as shown:
        console.print(table([a_row()]))
    assert "20.0 ms" in shown.get()
    assert "4KB" in shown.get()
    assert "…" not in shown.get()


def test_seconds_above_one_are_shown_as_seconds() -> None:
    assert cell("round_s", 1.234) == "1.23 s"
