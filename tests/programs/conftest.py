import pytest

from tests.programs.contexts import Clients, classes


@pytest.fixture(scope="session")
def datasets() -> dict[str, dict[str, Clients]]:
    """Data of two silos with three clients, and test data."""
    return {
        "train": {"a": [classes(1, 30), classes(2, 20)], "b": [classes(3, 25)]},
        "test": {"a": [classes(11, 30)], "b": [classes(12, 20)]},
    }
