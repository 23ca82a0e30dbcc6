from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import tensorflow_federated as tff
from fedjobs_common.errors import FedjobsError
from fedjobs_common.programs import parse_parameters
from fedjobs_coordinator.programs import evaluation, models
from fedjobs_coordinator.programs.program_context import ProgramContext

from tests.compute.interpreter import Interpreter
from tests.programs.jobs import fedavg


class _SilosOfClients:
    """A context whose silos have these clients."""

    def __init__(self, silos: dict[str, list[list[dict[str, Any]]]]) -> None:
        self._silos = silos

    async def run_with_silos(self, computation: Any, weights: Any, _: Any) -> tuple[Any, dict[str, Any]]:
        total = computation(weights, [client for clients in self._silos.values() for client in clients])
        return total, {silo: computation(weights, clients) for silo, clients in self._silos.items()}

    async def run(self, computation: Any, *arguments: Any) -> Any:
        return computation(*arguments)


@pytest.fixture(scope="module")
def logits() -> Any:
    """Evaluates a binary model whose logit is its only feature."""
    keras = {"input": [1], "layers": [{"Dense": {"units": 1}}]}
    parameters = {"keras": keras, "loss": "binary_crossentropy", "metrics": ["accuracy", "auc"]}
    model = models.build(parse_parameters("fedavg", fedavg(model=parameters)).model, 7)
    built = evaluation.build(model, 4)
    computations = replace(built, evaluate=Interpreter(built.evaluate), finalize=Interpreter(built.finalize))
    weights = tff.learning.models.ModelWeights((np.ones([1, 1], np.float32), np.zeros(1, np.float32)), ())

    def evaluated(**silos: list[list[tuple[float, int]]]) -> dict[str, float]:
        rows = {
            silo: [[{"x": np.float32([x]), "y": np.int32(y)} for x, y in client] for client in clients]
            for silo, clients in silos.items()
        }
        context = cast(ProgramContext, _SilosOfClients(rows))
        return asyncio.run(evaluation.evaluate(context, computations, weights, None))

    return evaluated


GOOD = [(-1.0, 0), (-2.0, 0), (3.0, 1), (-0.5, 1), (0.25, 1)]


def _loss(*examples: tuple[float, int]) -> float:
    return float(np.mean([np.log1p(np.exp(-x if y else x)) for x, y in examples]))


def test_a_client_that_is_not_finite_is_left_out_of_an_evaluation_and_counted(logits: Any) -> None:
    metrics = logits(a=[GOOD, GOOD[:2]], b=[GOOD[2:], [(1.0, 1), (np.nan, 0)]], c=[[(np.inf, 0)]])
    assert (metrics["evaluation/clients"], metrics["evaluation/clientsLeftOut"]) == (5, 2)
    assert metrics["evaluation/examples"] == 10
    assert metrics["evaluation/loss"] == pytest.approx(_loss(*GOOD, *GOOD), rel=1e-5)
    assert metrics["evaluation/accuracy"] == pytest.approx(0.8)
    assert metrics["evaluation/silo/b/clientsLeftOut"] == 1
    assert metrics["evaluation/silo/b/loss"] == pytest.approx(_loss(*GOOD[2:]), rel=1e-5)
    of_c = {name: value for name, value in metrics.items() if "silo/c/" in name}
    assert of_c == {"evaluation/silo/c/clients": 1, "evaluation/silo/c/clientsLeftOut": 1}


def test_an_undefined_metric_is_absent(logits: Any) -> None:
    metrics = logits(positive=[[(1.0, 1), (-1.0, 1)]], negative=[[(-1.0, 0)]], constant=[[(0.5, 0), (0.5, 1)]], none=[])
    for silo in ("positive", "negative"):
        assert f"evaluation/silo/{silo}/auc" not in metrics
        assert f"evaluation/silo/{silo}/accuracy" in metrics
    assert metrics["evaluation/silo/constant/auc"] == pytest.approx(0.5)
    assert "evaluation/auc" in metrics
    assert not any("silo/none/" in name for name in metrics)


def test_an_evaluation_without_examples_has_no_loss(logits: Any) -> None:
    assert logits(a=[]) == {"evaluation/examples": 0, "evaluation/clients": 0, "evaluation/clientsLeftOut": 0}


def test_an_evaluation_that_leaves_out_all_clients_is_an_error(logits: Any) -> None:
    with pytest.raises(FedjobsError, match="no finite numbers for any of the 1 clients"):
        logits(a=[[(np.nan, 1)]])


def test_labels_that_are_no_class_of_the_loss_are_an_error(logits: Any) -> None:
    with pytest.raises(FedjobsError, match="2 of 5 labels are outside of the range of the loss, which is 0 or 1"):
        logits(a=[[(1.0, 2), (1.0, 1), (0.5, -1)]], b=[[(1.0, 0), (1.0, 1)]])
