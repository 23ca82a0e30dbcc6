import pytest

from bench.payloads import parse


@pytest.mark.parametrize(("text", "size"), [("4KB", 4096), ("1MB", 1 << 20), ("100mb", 100 << 20), ("8 B", 8)])
def test_a_size_is_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse(text).size == size


def test_the_label_is_unchanged() -> None:
    assert parse("4KB").label == "4KB"


@pytest.mark.parametrize("text", ["", "4", "KB", "4TB", "1.5MB", "0B", "3B"])
def test_an_invalid_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=f"payload '{text}'"):
        parse(text)


def test_values_fill_the_payload() -> None:
    assert parse("4KB").values().nbytes == 4096
