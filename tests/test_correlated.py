"""Differences and ratios of partly common counts: their errors are the spread of toys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.monitors import correlated
from streams.monitors.correlated import Downscaled, Overlap
from streams.monitors.rates import rate

TOYS = 4000
TIME_S = 0.5
MEANS = (900.0, 120.0, 60.0)
"""Expected events: common, only A, only B."""


@pytest.fixture(scope="module")
def toys() -> list[Overlap]:
    counts = np.random.default_rng(3).poisson(MEANS, (TOYS, 3))
    return [Overlap(int(c), int(a), int(b), same=False) for c, a, b in counts]


def is_the_spread(measured: list[tuple[float, float]], true: float) -> bool:
    """Whether the errors squared are in the mean the distances from the truth squared, to 10%."""
    values: NDArray[Any] = np.array(measured)
    return bool(np.mean(values[:, 1] ** 2) == pytest.approx(np.mean((values[:, 0] - true) ** 2), rel=0.1))


def test_common_events_cancel_in_the_error_of_a_difference(toys: list[Overlap]) -> None:
    measured = [correlated.difference(toy, TIME_S) for toy in toys]
    assert is_the_spread(measured, (MEANS[2] - MEANS[1]) / TIME_S)
    assert correlated.difference(Overlap(10**6, 9, 16, same=False), 2.0) == (3.5, 2.5)


def test_the_error_of_a_ratio_is_the_spread_of_toys(toys: list[Overlap]) -> None:
    measured = [found for toy in toys if (found := correlated.ratio(toy))]
    assert is_the_spread(measured, (MEANS[0] + MEANS[2]) / (MEANS[0] + MEANS[1]))


def test_the_error_of_a_ratio_without_gains_is_binomial() -> None:
    found = correlated.ratio(Overlap(70, 30, 0, same=False))
    assert found == pytest.approx((0.7, (0.7 * 0.3 / 100) ** 0.5))


@pytest.mark.parametrize(("n_a", "n_b"), [(1, 1), (7, 7), (100, 100), (7, 5), (1, 40)])
def test_the_errors_after_downscaling_are_the_distances_of_toys(
    toys: list[Overlap], n_a: int, n_b: int
) -> None:
    downscaled = [
        (toy, Downscaled(toy.a, toy.a // n_a, n_a), Downscaled(toy.b, toy.b // n_b, n_b)) for toy in toys
    ]
    a, b = (MEANS[0] + MEANS[1]) / n_a, (MEANS[0] + MEANS[2]) / n_b
    assert is_the_spread(
        [correlated.downscaled_difference(*toy, TIME_S) for toy in downscaled], (b - a) / TIME_S
    )
    ratios = [found for toy in downscaled if (found := correlated.downscaled_ratio(*toy))]
    assert is_the_spread(ratios, b / a)


def test_without_downscaling_the_errors_are_those_before(toys: list[Overlap]) -> None:
    toy = toys[0]
    all_kept = Downscaled(toy.a, toy.a, 1), Downscaled(toy.b, toy.b, 1)
    difference = correlated.downscaled_difference(toy, *all_kept, TIME_S)
    assert difference == pytest.approx(correlated.difference(toy, TIME_S))
    assert correlated.downscaled_ratio(toy, *all_kept) == pytest.approx(correlated.ratio(toy))


def test_of_no_differing_event_the_error_is_that_of_one_as_for_a_rate() -> None:
    events = Overlap(100, 0, 0, same=False)
    assert correlated.difference(events, 2.0) == rate(0, 2.0)
    assert correlated.ratio(events) == (1.0, 0.01)
    lost = Overlap(0, 100, 0, same=False)
    assert correlated.ratio(lost) == (0.0, 0.01)
    kept = Downscaled(100, 10, 10)
    assert correlated.downscaled_difference(events, kept, kept, 2.0) == pytest.approx((0.0, 0.05))


def test_two_menus_that_are_the_same_differ_by_nothing_without_error() -> None:
    events, kept = Overlap(105, 0, 0, same=True), Downscaled(105, 10, 10)
    assert correlated.difference(events, 2.0) == (0.0, 0.0)
    assert correlated.ratio(events) == (1.0, 0.0)
    assert correlated.downscaled_difference(events, kept, kept, 2.0) == (0.0, 0.0)
    assert correlated.downscaled_ratio(events, kept, kept) == (1.0, 0.0)


def test_there_is_no_ratio_to_nothing_and_no_rate_in_no_time() -> None:
    events, none = Overlap(0, 0, 5, same=False), Downscaled(0, 0, 1)
    assert correlated.ratio(events) is None
    assert correlated.downscaled_ratio(events, none, Downscaled(5, 5, 1)) is None
    assert correlated.downscaled_ratio(Overlap(5, 0, 0, same=False), Downscaled(5, 0, 9), none) is None
    assert correlated.difference(events, 0.0) == (0.0, 0.0)
    assert correlated.downscaled_difference(events, none, none, 0.0) == (0.0, 0.0)
