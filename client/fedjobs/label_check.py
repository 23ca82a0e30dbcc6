"""Compares the labels of a dataset with what the job's loss means."""

from __future__ import annotations

from typing import Any

import numpy as np
from fedjobs_common.errors import ErrorCode, FedjobsError
from fedjobs_common.programs.models import ModelParameters


def label_problem(model: ModelParameters, column: str, labels: np.ndarray[Any, Any]) -> FedjobsError | None:
    """Returns the problem with labels that are no classes of the loss, or None.

    Args:
        model: The model, which has a loss of classes or of numbers.
        column: The name of the labels' column, for the message.
        labels: The labels of all examples, one for each.
    """
    if not model.has_classes:
        return None
    last = None if model.classes is None else model.classes - 1
    outside = labels < 0 if last is None else (labels < 0) | (labels > last)
    count = int(np.count_nonzero(outside))
    if not count:
        return None
    wanted = "0 or more" if last is None else "0 or 1" if last == 1 else f"0 to {last}"
    return FedjobsError(
        ErrorCode.DATA_MALFORMED,
        f"column '{column}': {count} of {len(labels)} labels are outside of the range of {model.loss}, "
        f"which is {wanted}.",
        "Number the classes from 0 in the data, or correct the model's last layer or its loss.",
    )
