"""Which clients take part in a round, and what differences of rounds tell."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from fedjobs_worker.runner.sampling import sample
from fedjobs_worker.runner.sampling_secrets import sampling_secret

SECRET, OTHER = b"s" * 32, b"t" * 32
SEEDS = range(300)


def test_the_seed_alone_does_not_decide() -> None:
    assert sample(100, 5, 7, SECRET).tolist() == sample(100, 5, 7, SECRET).tolist()
    assert sample(100, 5, 7, SECRET).tolist() != sample(100, 5, 8, SECRET).tolist()
    assert sample(100, 5, 7, SECRET).tolist() != sample(100, 5, 7, OTHER).tolist()
    chosen = {tuple(sample(100, 5, 7, bytes([number]) * 32)) for number in range(50)}
    assert len(chosen) == 50


@pytest.mark.parametrize(
    ("clients", "per_round", "least"), [(20, 10, 5), (23, 10, 5), (100, 30, 4), (7, 6, 3), (9, 6, 5)]
)
def test_two_samples_never_differ_in_fewer_clients_than_the_minimum(clients: int, per_round: int, least: int) -> None:
    samples = {frozenset(sample(clients, per_round, seed, SECRET, least).tolist()) for seed in SEEDS}
    for one, other in itertools.combinations(samples, 2):
        assert len(one - other) == 0 or len(one - other) >= least
        assert len(other - one) == 0 or len(other - one) >= least
    assert {least <= len(one) <= per_round for one in samples} == {True}


@pytest.mark.parametrize(("clients", "per_round", "least"), [(20, 10, 5), (23, 10, 5), (100, 30, 4)])
def test_no_sum_or_difference_of_rounds_is_over_fewer_clients_than_the_minimum(
    clients: int, per_round: int, least: int
) -> None:
    """Whoever knows all sums can at most solve for the sums of groups. Clients of a group always come together."""
    rounds = np.zeros((len(SEEDS), clients))
    for seed in SEEDS:
        rounds[seed, sample(clients, per_round, seed, SECRET, least)] = 1
    together = {tuple(column) for column in rounds.T}
    for column in together:
        assert sum(tuple(other) == column for other in rounds.T) >= least


def test_without_a_minimum_all_clients_have_their_turn() -> None:
    seen = set(itertools.chain.from_iterable(sample(20, 3, seed, SECRET).tolist() for seed in SEEDS))
    assert seen == set(range(20))


def test_with_a_minimum_all_clients_have_their_turn() -> None:
    seen = set(itertools.chain.from_iterable(sample(23, 12, seed, SECRET, 5).tolist() for seed in SEEDS))
    assert seen == set(range(23))


def test_datasets_and_jobs_over_the_same_clients_have_the_same_groups() -> None:
    """Otherwise the difference of two jobs could be over fewer clients."""
    samples = [set(sample(40, per_round, seed, SECRET, 5).tolist()) for seed in SEEDS for per_round in (10, 15, 25)]
    columns = {client: tuple(client in one for one in samples) for client in range(40)}
    assert all(list(columns.values()).count(column) >= 5 for column in columns.values())


def test_a_silo_keeps_its_secret_across_restarts(tmp_path: Path) -> None:
    first = sampling_secret(tmp_path / "silo")
    assert sampling_secret(tmp_path / "silo") == first
    assert sampling_secret(tmp_path / "another") != first
    assert len(first) == 32
    assert (tmp_path / "silo" / "sampling-secret").stat().st_mode & 0o777 == 0o600
    given = tmp_path / "given"
    given.write_bytes(b"given")
    assert sampling_secret(tmp_path / "silo", given) == b"given"
