from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from fedjobs.label_check import label_problem
from fedjobs_common.errors import ErrorCode
from fedjobs_common.programs.models import ModelParameters


def model(loss: str, units: int) -> ModelParameters:
    keras = {"input": [2], "layers": [{"Dense": {"units": units}}]}
    return ModelParameters.model_validate({"keras": keras, "loss": loss})


def of_entry_point(loss: str) -> ModelParameters:
    return ModelParameters.model_validate({"entrypoint": "models:f", "loss": loss})


@pytest.mark.parametrize(
    ("described", "labels", "problem"),
    [
        (model("binary_crossentropy", 1), [1, 2, 2], "2 of 3 labels are outside of the range .* which is 0 or 1"),
        (model("binary_crossentropy", 1), [-1, 1, 0], "1 of 3 labels are outside"),
        (model("categorical_crossentropy", 3), [1, 2, 3], "1 of 3 labels are outside of the range .* 0 to 2"),
        (model("sparse_categorical_crossentropy", 3), [3, 4, 3], "3 of 3 labels are outside of the range .* 0 to 2"),
        (of_entry_point("sparse_categorical_crossentropy"), [-1, 7], "1 of 2 labels are outside .* 0 or more"),
        (model("binary_crossentropy", 1), [0, 1], None),
        (model("sparse_categorical_crossentropy", 3), [0, 2], None),
        (model("mse", 1), [-5.5, 9], None),
        (of_entry_point("sparse_categorical_crossentropy"), [0, 700], None),
    ],
)
def test_labels_are_compared_with_the_range_of_the_loss(
    described: ModelParameters, labels: list[Any], problem: str | None
) -> None:
    found = label_problem(described, "faulty", np.array(labels))
    if problem is None:
        assert found is None
        return
    assert found is not None
    assert found.code is ErrorCode.DATA_MALFORMED
    assert "column 'faulty'" in found.message
    assert re.search(problem, found.message)
