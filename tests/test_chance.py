"""Random numbers: distributions against closed forms, seeds that have nothing in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from streams.simulate import chance

N = 20_000


def state(number: int = 1) -> Any:
    return np.array([chance.seed_of(np.uint64(1), np.uint64(2), np.uint64(number))], np.uint64)


def test_splitmix64_gives_its_published_sequence() -> None:
    """The reference implementation's first outputs from the seed 1234567."""
    rng = np.array([1234567], np.uint64)
    assert [int(chance.bits(rng)) for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [(chance.uniform, stats.uniform()), (chance.exponential, stats.expon()), (chance.normal, stats.norm())],
)
def test_a_draw_has_its_distribution(draw: Any, distribution: Any) -> None:
    rng = state()
    assert stats.kstest([draw(rng) for _ in range(N)], distribution.cdf).pvalue > 1e-4


@pytest.mark.parametrize("mean", [0.0, 0.3, 19.0])
def test_poisson_numbers_have_their_mean_and_variance(mean: float) -> None:
    rng = state()
    drawn = np.array([chance.poisson(rng, mean) for _ in range(N)])
    assert drawn.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / N))
    variance_error = np.sqrt((mean + 2 * mean**2) / N)
    assert drawn.var() == pytest.approx(mean, abs=4 * variance_error)


def test_neighbouring_seeds_are_independent() -> None:
    first = np.array([chance.uniform(state(number)) for number in range(N)])
    assert stats.kstest(first, "uniform").pvalue > 1e-4
    correlation = np.corrcoef(first[1:], first[:-1])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(N)


def test_seeds_of_two_purposes_or_spills_differ() -> None:
    ones = [chance.seed_of(np.uint64(s), np.uint64(p), np.uint64(7)) for s in range(20) for p in range(20)]
    assert len({int(one) for one in ones}) == 400
