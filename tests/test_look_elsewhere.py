"""What an excess is worth that was looked for in many places, and at many times."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, poisson

from trigger.statistics.look_elsewhere import (
    ALARM,
    global_p,
    global_p_of_windows,
    is_alarm,
    threshold,
    trials_factor,
    upward_crossings,
)
from trigger.statistics.scan import Scan, scan
from trigger.statistics.significance import local_z, on_off_tail, p_of_z
from trigger.statistics.windows import BOX, GAUSSIAN

R = 100.0
"""Length of the scans, in units of the resolution."""

BIN = 0.125


@pytest.mark.parametrize(("u", "p", "trials"), [(2.5, 0.394, 63.4), (3.0, 0.119, 87.9), (3.5, 0.0245, 105.5)])
def test_over_a_hundred_resolutions_the_global_p_value_is_that_of_the_reference(
    u: float, p: float, trials: float
) -> None:
    assert global_p(norm.sf(u), R) == pytest.approx(p, abs=5e-4)
    assert trials_factor(norm.sf(u), R) == pytest.approx(trials, rel=2e-3)


def test_a_single_hypothesis_has_its_local_p_value() -> None:
    assert global_p(1e-4, 0.0) == pytest.approx(1e-4, rel=1e-4)
    assert upward_crossings(0.0, R) == pytest.approx(R / (2 * math.sqrt(2) * math.pi))
    assert global_p([0.0, 1e-300, 0.9], R).shape == (3,)
    assert global_p(0.0, R) == 0.0


def largest_of_known_background(n: int, seed: int) -> NDArray[np.float64]:
    """The largest significances of scans with a Gaussian window over a flat background that is known."""
    bins, edges = round((R + 12) / BIN), np.arange(-6.0, 6.0 + BIN / 2, BIN)
    weights = np.diff(norm.cdf(edges))
    counts = np.random.default_rng(seed).poisson(400.0, size=(n, bins))
    scale = weights.sum() / (weights**2).sum()
    windows = np.array([np.convolve(spectrum, weights, mode="valid") for spectrum in counts])
    return np.asarray(local_z(scale * windows, scale * 400.0).max(axis=1))


def agree(largest: NDArray[np.float64], levels: tuple[float, ...]) -> None:
    for u in levels:
        p = float(global_p(norm.sf(u), R))
        assert (largest > u).mean() == pytest.approx(p, abs=3 * math.sqrt(p * (1 - p) / len(largest)))


def test_the_formula_is_what_toys_find() -> None:
    agree(largest_of_known_background(600, seed=1), (2.5, 3.0))


@pytest.mark.long
def test_the_formula_is_what_4000_toys_find() -> None:
    agree(largest_of_known_background(4000, seed=2), (2.5, 3.0, 3.5))


def scans(b: float, order: int, step: float, n: int, seed: int) -> list[Scan]:
    """Scans of toys without signal; b: background in a Gaussian window."""
    width = 0.25
    at = np.arange(12.0, 12.0 + R + 1e-9, step)
    ones = np.ones(len(at))
    spectra = np.random.default_rng(seed).poisson(
        b * width / (2 * math.sqrt(math.pi)), size=(n, round((R + 24) / width))
    )
    orders = np.full(len(at), order)
    return [scan(counts, 0.0, width, at, ones, 0 * ones, (R + 24) * ones, orders) for counts in spectra]


@pytest.mark.long
@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("b", "order", "step"),
    [(1000.0, 2, 0.5), (100.0, 2, 0.25), (30.0, 2, 0.5), (100.0, 1, 0.5), (1000.0, 4, 0.5)],
)
def test_a_scan_with_gaussian_windows_says_one_percent_in_about_one_percent_of_all_cases(
    b: float, order: int, step: float
) -> None:
    found = scans(b, order, step, 4000, seed=3)
    assert np.mean([(one.window == GAUSSIAN).mean() for one in found]) > 0.98
    assert 0.005 < np.mean([one.p_global < 0.01 for one in found]) < 0.017


@pytest.mark.long
@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("b", "order", "step"), [(0.1, 1, 0.5), (1.0, 2, 0.5), (2.0, 2, 0.25), (6.0, 1, 0.25), (40.0, 4, 0.5)]
)
def test_a_scan_with_boxes_does_not_say_one_percent_more_often(b: float, order: int, step: float) -> None:
    found = scans(b, order, step, 4000, seed=4)
    assert np.mean([(one.window == BOX).mean() for one in found]) > 0.98
    assert np.mean([one.p_global < 0.01 for one in found]) < 0.01 + 3 * math.sqrt(0.01 / 4000)


@pytest.mark.needs_jit
@pytest.mark.parametrize("b", [1.0, 100.0])
def test_small_global_p_values_are_about_as_rare_as_they_say(b: float) -> None:
    found = scans(b, 2, 0.5, 300, seed=5)
    assert np.mean([one.p_global < 0.1 for one in found]) < 0.1 + 3 * math.sqrt(0.09 / 300)
    assert np.mean([one.p_global < 0.5 for one in found]) > 0.1


def test_of_gaussian_windows_alone_the_global_p_value_is_that_of_the_formula() -> None:
    step = np.full(401, 0.25)
    step[0] = math.inf
    b, d = np.full(401, 50.0), np.full(401, 5.0)
    for p in [0.05, 1e-3, 1e-6]:
        assert global_p_of_windows(p, b > 0, b, d, step, 3.0) == pytest.approx(global_p(p, R), rel=1e-9)


def test_far_apart_windows_are_as_many_trials() -> None:
    ones = np.ones(7)
    for gaussian in (ones > 0, ones < 0):
        p = global_p_of_windows(1e-3, gaussian, 20 * ones, 0 * ones, 50 * ones, 3.0)
        largest = 1e-3 if gaussian.all() else float(on_off_tail(36, 20))
        assert p == pytest.approx(7 * largest, rel=5e-3)


@pytest.mark.parametrize(("b", "n"), [(0.02, 2), (0.3, 4), (1.0, 5), (4.0, 12), (9.0, 20)])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_bound_for_boxes_holds_and_is_not_far_off(b: float, n: int, steps: int) -> None:
    # Boxes of 12 bins over a known background, in steps of so many bins.
    events = np.random.default_rng(7).poisson(b / 12, size=(4000, 12 * 33))
    up_to = np.concatenate([np.zeros((4000, 1)), np.cumsum(events, axis=1)], axis=1)
    windows = (up_to[:, 12:] - up_to[:, :-12])[:, ::steps]
    found = (windows >= n).any(axis=1).mean()
    k = windows.shape[1]
    step = np.full(k, 3.0 * steps / 12)
    step[0] = math.inf
    bound = global_p_of_windows(
        float(poisson.sf(n - 1, b)), np.zeros(k, dtype=bool), np.full(k, b), np.zeros(k), step, 3.0
    )
    error = 3 * math.sqrt(found / 4000)
    assert found - error < bound < 2.0 * found + error + 0.05


def test_boxes_that_cannot_reach_a_p_value_do_not_count() -> None:
    # One event is p = 0.63 over a background of 1, and 1e-4 over one of 1e-4.
    b, step = np.array([1e-4, 1.0, 1.0]), np.array([math.inf, math.inf, math.inf])
    p = global_p_of_windows(float(poisson.sf(0, 1e-4)), b < 0, b, 0 * b, step, 3.0)
    assert p == pytest.approx(poisson.sf(0, 1e-4) + 2 * poisson.sf(6, 1.0), rel=1e-3)
    assert global_p_of_windows(0.0, b < 0, b, 0 * b, step, 3.0) == 0.0


def test_thresholds_of_all_looks_add_up_to_the_alarm() -> None:
    assert threshold(1) == ALARM / 2
    assert sum(threshold(k) for k in range(1, 10_000)) == pytest.approx(ALARM, rel=2e-4)
    assert sum(threshold(k) for k in range(1, 10_000)) < ALARM


@pytest.mark.parametrize(
    ("arguments", "alarm"),
    [
        ((4e-4, 1, 3.0, 3.0), True),
        ((6e-4, 1, 3.0, 3.0), False),
        ((4e-4, 2, 3.0, 3.0), False),
        ((1e-9, 100, 3.0, 2.1), True),
        ((1e-9, 100, 9.0, 1.9), False),
        ((1e-9, 100, 1.9, 9.0), False),
        ((1e-9, 100, math.nan, 9.0), False),
        ((math.nan, 1, 9.0, 9.0), False),
    ],
)
def test_an_alarm_needs_a_small_p_value_and_an_excess_in_both_halves(
    arguments: tuple[float, int, float, float], alarm: bool
) -> None:
    assert is_alarm(*arguments) is alarm


def independent(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(rng.random(40))


def cumulated(rng: np.random.Generator) -> NDArray[np.float64]:
    looks = np.arange(1, 41)
    return np.asarray(p_of_z(np.cumsum(rng.standard_normal(40)) / np.sqrt(looks)))


@pytest.mark.parametrize("looks", [independent, cumulated])
def test_all_looks_together_give_no_more_false_alarms_than_promised(
    looks: Callable[[np.random.Generator], NDArray[np.float64]],
) -> None:
    rng = np.random.default_rng(8)
    limits = np.array([threshold(k, 0.05) for k in range(1, 41)])
    alarms = [bool((looks(rng) <= limits).any()) for _ in range(4000)]
    assert np.mean(alarms) < 0.05 + 3 * math.sqrt(0.05 / 4000)
    assert np.mean(alarms) > 0.01
