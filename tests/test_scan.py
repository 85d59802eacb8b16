"""The scan: equal to its slow twin, unbiased, and right about its own uncertainty."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import pytest
from naive_scan import (
    BIN,
    CENTRES,
    Counts,
    expected_counts,
    expected_peak,
    in_a_row,
    limit_of,
    look,
    tail_of,
    toys,
    z_of,
)
from pyBumpHunter import BumpHunter1D
from scipy.optimize import brentq
from scipy.stats import kstest, norm, poisson

from trigger.statistics.error import StatisticsError
from trigger.statistics.look_elsewhere import global_p
from trigger.statistics.scan import Scan, scan, scan_known
from trigger.statistics.significance import local_z, on_off_tail
from trigger.statistics.windows import BOX, EDGE, FEW_BINS, GAUSSIAN, REASONS, SCANNED, UNKNOWN

STATUS = {"edge": EDGE, "few bins": FEW_BINS, "unknown": UNKNOWN}
WINDOW = {"gaussian": GAUSSIAN, "box": BOX}


def scan_one(
    counts: Counts, order: int = 2, at: float = 0.0, fit: tuple[float, float] = (-15.0, 15.0)
) -> Scan:
    """Scan one toy at one place."""
    low, high = np.array(fit)[:, None]
    return scan(counts, -15.0, BIN, np.array([at]), np.ones(1), low, high, np.array([order]))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("b", "shape"), [(0.4, "flat"), (4.0, "rising steeply"), (30.0, "curved"), (900.0, "falling")]
)
def test_every_hypothesis_is_what_the_slow_twin_finds(b: float, shape: str, order: int) -> None:
    counts = toys(expected_counts(b, shape) + expected_peak(0.2 * b), 1, seed=order)[0]
    at = np.array([-14.9, -13.6, -12.1, -9.03, -4.0, 0.0, 0.11, 5.5, 9.99, 11.3, 13.4, 16.0])
    sigma = np.linspace(0.9, 1.4, len(at))
    fit_low, fit_high = np.full(len(at), -15.0), np.full(len(at), 14.6)
    found = scan(counts, -15.0, BIN, at, sigma, fit_low, fit_high, np.full(len(at), order))
    for k in range(len(at)):
        slow = look(counts, -15.0, BIN, at[k], sigma[k], -15.0, 14.6, order)
        if isinstance(slow, str):
            assert found.status[k] == STATUS[slow], at[k]
            assert np.isnan([found.n[k], found.p_local[k], found.limit[k], *found.expected[k]]).all()
            continue
        assert (found.status[k], found.window[k]) == (SCANNED, WINDOW[slow.window]), at[k]
        ours = [found.n[k], found.b[k], found.d[k], found.fraction[k], found.spread[k]]
        assert ours == pytest.approx([slow.n, slow.b, slow.d, slow.fraction, slow.spread], rel=2e-6)


@pytest.mark.parametrize("b", [0.3, 8.0, 200.0])
def test_significances_p_values_yields_and_limits_are_those_of_what_was_found(b: float) -> None:
    found = scan(
        *in_a_row(toys(expected_counts(b, "falling") + expected_peak(math.sqrt(b)), 6, seed=1), order=2)
    )
    for k in range(6):
        n, b_, d = (float(x[k]) for x in (found.n, found.b, found.d))
        z = z_of(n, b_, d) if b_ else math.sqrt(2 * n * math.log1p(1 / d))
        if found.window[k] == GAUSSIAN:
            p = norm.sf(z)
        else:
            p = tail_of(round(n), b_, d)
            z = norm.isf(p) if n > b_ else z
        assert (found.z[k], found.p_local[k]) == pytest.approx((z, p), rel=1e-8, abs=1e-9)
        limit = limit_of(n, b_, d if b_ else 0.0, float(found.fraction[k]), float(found.spread[k]))
        assert found.limit[k] == pytest.approx(limit, rel=3e-3)
        assert found.signal[k] == pytest.approx((n - b_) / found.fraction[k])
        assert (np.diff(found.expected[k]) >= 0).all()


def test_a_spectrum_read_backwards_gives_the_same_backwards() -> None:
    counts = toys(expected_counts(40.0, "rising steeply"), 1, seed=2)[0]
    at = np.linspace(-9, 9, 13)
    arguments: tuple[Any, ...] = (np.ones(13), np.full(13, -15.0), np.full(13, 15.0), np.full(13, 3))
    there = scan(counts, -15.0, BIN, at, *arguments)
    back = scan(counts[::-1], -15.0, BIN, -at[::-1], *arguments)
    for name in ("n", "b", "d", "z", "limit"):
        assert getattr(back, name)[::-1] == pytest.approx(getattr(there, name), rel=1e-6, abs=1e-6)


def test_sidebands_without_events_mean_no_background() -> None:
    counts = np.zeros(len(CENTRES), dtype=np.int64)
    found = scan_one(counts)
    assert (found.b[0], found.n[0], found.z[0], found.p_local[0], found.signal[0]) == (0, 0, 0, 1, 0)
    assert found.limit[0] == pytest.approx(math.log(10) / found.fraction[0])
    assert found.expected[0] == pytest.approx(np.full(5, found.limit[0]))
    assert found.p_global == 1.0
    counts[len(counts) // 2] = 3
    found = scan_one(counts)
    # Twelve bins of the box against sixty-four beside it.
    assert found.p_local[0] == pytest.approx((12 / (12 + 64)) ** 3)
    assert found.limit[0] == pytest.approx(6.681 / found.fraction[0], abs=1e-3)
    assert np.isfinite([found.z[0], found.signal_error[0], *found.expected[0]]).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_single_event_anywhere_is_a_valid_spectrum(n: int) -> None:
    for place in range(0, len(CENTRES), 7):
        counts = np.zeros(len(CENTRES), dtype=np.int64)
        counts[place] = n
        at, ones = np.linspace(-9, 9, 19), np.ones(19)
        found = scan(counts, -15.0, BIN, at, ones, -15 * ones, 15 * ones, np.full(19, 4))
        assert (found.status == SCANNED).all()
        assert np.isfinite([found.z, found.p_local, found.signal, found.signal_error, found.limit]).all()


BACKGROUNDS: Final = [(20.0, 1), (25.0, 2), (200.0, 2), (2000.0, 3), (1000.0, 4)]

UNIFORM: Final = [
    (b, order, shape)
    for b, order in BACKGROUNDS
    for shape in ("flat", "falling", "curved")
    if (order, shape) != (1, "curved")
]
"""A straight line is not a curve."""


@pytest.mark.needs_jit
@pytest.mark.parametrize(("b", "order", "shape"), UNIFORM)
def test_over_background_alone_p_values_are_uniform(b: float, order: int, shape: str) -> None:
    found = scan(*in_a_row(toys(expected_counts(b, shape), 3000, seed=3), order))
    gaussian = found.window == GAUSSIAN
    assert gaussian.mean() > 0.95
    assert kstest(found.p_local[gaussian], "uniform").pvalue > 1e-3


@pytest.mark.needs_jit
@pytest.mark.parametrize("shape", ["flat", "falling", "rising steeply"])
@pytest.mark.parametrize(("b", "order"), [(0.1, 1), (0.5, 2), (2.0, 4), (5.0, 2), (9.0, 1), (30.0, 4)])
def test_over_little_background_small_p_values_are_no_more_frequent_than_they_say(
    b: float, order: int, shape: str
) -> None:
    found = scan(*in_a_row(toys(expected_counts(b, shape), 20_000, seed=4), order))
    p = found.p_local[found.window == BOX]
    for level in [0.1, 0.01, 1e-3]:
        assert (p <= level).mean() < level + 3 * math.sqrt(level / len(p))


def signal_of(z: float, b: float, relative: float) -> float:
    """The signal that has this significance on average over a Gaussian window's b +- relative b."""
    return float(brentq(lambda s: float(local_z(b + s, b, relative * b)) - z, 0.1, 1e4))


@pytest.mark.needs_jit
@pytest.mark.parametrize("shape", ["flat", "falling"])
@pytest.mark.parametrize(("b", "relative"), [(2.0, 0.6), (20.0, 0.2), (200.0, 0.065), (2000.0, 0.02)])
def test_the_yield_of_a_signal_of_five_sigma_is_unbiased(b: float, relative: float, shape: str) -> None:
    s = signal_of(5.0, b, relative)
    found = scan(
        *in_a_row(toys(expected_counts(b, shape) + expected_peak(s, 0.13), 1000, seed=5), order=2, at=0.13)
    )
    # Of a count of few events the tail is conservative.
    assert 4.4 < found.z.mean() < 5.5
    off = found.signal - s
    assert abs(off.mean()) < 3 * off.std() / math.sqrt(1000)
    assert abs(off.mean()) < 0.05 * s
    assert (off / found.signal_error).std() == pytest.approx(1.0, abs=0.1)


def test_a_large_signal_does_not_leak_into_its_sidebands() -> None:
    # Expected counts, rounded: the fit takes away 0.2% of the yield.
    counts = np.rint(expected_counts(1e6, "falling") + expected_peak(5000.0)).astype(np.int64)
    assert scan_one(counts).signal[0] == pytest.approx(5000.0, rel=4e-3)


@pytest.mark.needs_jit
@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("b", [2.0, 30.0, 1000.0])
@pytest.mark.parametrize(
    "reach", [(-11.0, 1.5), (-11.0, 2.5), (-2.0, 11.0), (-11.0, 4.0), (-5.0, 11.0), (-6.0, 6.0)]
)
def test_at_the_edge_of_what_may_be_fitted_yields_are_unbiased_or_there_are_none(
    reach: tuple[float, float], b: float, order: int
) -> None:
    s = 5.0 + 5.0 * math.sqrt(b)
    # Beyond the range there is another peak, which must not matter.
    expected = expected_counts(b, "falling") + expected_peak(s)
    expected[abs(CENTRES - np.mean(reach)) > 0.5 * np.ptp(reach)] += 10 * b
    found = scan(*in_a_row(toys(expected, 1000, seed=6), order, reach=reach))
    assert len(set(found.status)) == 1
    if found.status[0] != SCANNED:
        assert np.isnan(found.signal).all()
        return
    off = found.signal - s
    assert abs(off.mean()) < 0.25 * off.std()
    assert (off / found.signal_error).std() < 1.15
    assert (found.limit >= s).mean() > 0.9 - 3 * math.sqrt(0.09 / 1000)


@pytest.mark.parametrize(
    ("at", "fit", "order", "status"),
    [
        (0.0, (-11.0, 11.0), 4, SCANNED),
        (14.6, (-15.0, 15.0), 1, EDGE),
        (40.0, (-15.0, 15.0), 1, EDGE),
        (0.0, (5.0, 15.0), 1, EDGE),
        (0.0, (-4.5, 4.5), 1, FEW_BINS),
        (0.0, (-11.0, 3.0), 1, SCANNED),
        (0.0, (-11.0, 3.0), 2, UNKNOWN),
        (0.0, (-5.0, 5.0), 2, UNKNOWN),
    ],
)
def test_what_is_not_scanned_has_a_reason_that_counts_have_no_part_in(
    at: float, fit: tuple[float, float], order: int, status: int
) -> None:
    for counts in (0 * CENTRES, 1.0 + 0 * CENTRES, 1e6 + 0 * CENTRES):
        found = scan_one(counts.astype(np.int64), order, at, fit)
        assert found.status[0] == status
        if status != SCANNED:
            assert REASONS[status]
            assert (found.largest, found.p_global, found.length) == (None, 1.0, 0.0)


def test_regions_are_scans_of_their_own_and_the_largest_excess_is_the_least_likely() -> None:
    counts = toys(expected_counts(100.0, "flat"), 1, seed=7)[0]
    counts[60:64] += 40
    at = np.array([-3.0, -2.0, -1.0, 0.5, 1.0, 30.0, 2.0, 3.0])
    fit_low = np.array([-15.0, -15.0, -15.0, -14.0, -14.0, -14.0, -14.0, -14.0])
    found = scan(counts, -15.0, BIN, at, np.full(8, 0.8), fit_low, np.full(8, 15.0), np.full(8, 2))
    assert found.step.tolist() == pytest.approx(
        [math.inf, 1.25, 1.25, math.inf, 0.625, math.inf, math.inf, 1.25]
    )
    assert found.length == pytest.approx(4.375)
    assert found.largest == 3
    assert found.p_local[3] == np.nanmin(found.p_local)
    assert found.p_local[3] < found.p_global < 8 * found.p_local[3]


def test_a_single_hypothesis_needs_no_trials() -> None:
    found = scan_one(toys(expected_counts(100.0, "flat"), 1, seed=8)[0])
    assert found.p_global == pytest.approx(found.p_local[0])
    assert scan_one(np.zeros(120, dtype=np.int64), at=99.0).p_global == 1.0


def test_the_global_p_value_of_a_fine_scan_is_that_of_the_formula() -> None:
    counts = toys(expected_counts(1000.0, "flat") + expected_peak(150.0), 1, seed=9)[0]
    at = np.linspace(-4, 4, 161)
    found = scan(
        counts, -15.0, BIN, at, np.ones(161), np.full(161, -15.0), np.full(161, 15.0), np.full(161, 1)
    )
    assert found.largest is not None
    assert abs(at[found.largest]) < 1.0
    assert found.p_global == pytest.approx(float(global_p(found.p_local[found.largest], 8.0)), rel=1e-6)


def test_nothing_to_scan_is_an_empty_scan() -> None:
    none = np.zeros(0)
    found = scan(np.ones(10, dtype=np.int64), 0.0, 1.0, none, none, none, none, none.astype(np.int64))
    assert (len(found.n), found.expected.shape, found.largest) == (0, (0, 5), None)


@pytest.mark.parametrize("b", [0.6, 12.0, 400.0])
def test_over_a_known_background_local_p_values_are_those_of_pybumphunter(b: float) -> None:
    edges = np.linspace(0.0, 40.0, 41)
    background = b / 4 * np.exp(-np.linspace(-0.5, 0.5, 40))
    counts = np.random.default_rng(11).poisson(background)
    counts[20:23] += round(2 + math.sqrt(b))
    hunter = BumpHunter1D(
        rang=(0.0, 40.0), width_min=4, width_max=4, width_step=1, scan_step=1, npe=0, nworker=1, bins=edges
    )
    hunter.bump_scan(counts, background, is_hist=True, do_pseudo=False)
    theirs = np.asarray(hunter.res_ar[0], dtype=np.float64).ravel()
    ours = scan_known(counts, 0.0, 1.0, edges[:37], edges[:37] + 4.0, background, 0.0, 1.0)
    assert (theirs < 1).sum() > 5
    # Where there is no excess, theirs is 1.
    assert ours.p_local[theirs < 1] == pytest.approx(theirs[theirs < 1], rel=1e-9)
    assert ours.largest == np.argmin(theirs)


def test_a_known_background_has_its_uncertainty_and_limits() -> None:
    counts, background = np.array([0, 2, 3, 9, 1, 0, 0, 2]), np.full(8, 1.5)
    found = scan_known(
        counts,
        10.0,
        0.5,
        np.array([10.0, 11.0, 13.9]),
        np.array([11.0, 12.5, 15.0]),
        background,
        0.2,
        np.array([0.9, 0.8, 1.0]),
    )
    assert found.at == pytest.approx([10.5, 11.75, 14.45])
    assert found.status.tolist() == [SCANNED, SCANNED, EDGE]
    assert found.n[:2].tolist() == [2.0, 13.0]
    assert found.b[:2] == pytest.approx([3.0, 4.5])
    assert found.d[:2] == pytest.approx([0.6, 0.9])
    assert found.p_local[:2] == pytest.approx(on_off_tail(found.n[:2], found.b[:2], found.d[:2]))
    assert found.limit[1] == pytest.approx(limit_of(13, 4.5, 0.9, 0.8), rel=1e-6)
    assert found.signal[1] == pytest.approx(8.5 / 0.8)
    assert found.largest == 1


def test_a_box_holds_the_bins_whose_centre_lies_in_it() -> None:
    counts, low, high = (
        np.array([1, 10, 100, 1000]),
        np.array([0.4, 0.6, 1.6, 0.0]),
        np.array([2.4, 2.6, 2.4, 4.0]),
    )
    found = scan_known(counts, 0.0, 1.0, low, high, np.ones(4), 0.0, 1.0)
    assert found.n[[0, 1, 3]].tolist() == [11.0, 110.0, 1111.0]
    assert found.status.tolist() == [SCANNED, SCANNED, EDGE, SCANNED]


def test_of_nested_windows_the_trials_are_those_of_what_is_new() -> None:
    # Windows from a moving edge to the end of the spectrum: the last ones are nearly the same.
    counts, background = np.zeros(40, dtype=np.int64), np.full(40, 0.1)
    counts[30:34] = 4
    begin = np.arange(30, 0, -1.0)
    found = scan_known(counts, 0.0, 1.0, begin, np.full(30, 40.0), background, 0.0, 1.0)
    assert found.n[0] == 16
    assert found.step[1:] == pytest.approx(3.0 * 0.1 / found.b[1:])
    largest = float(np.nanmin(found.p_local))
    assert largest < found.p_global < 30 * largest


def test_over_a_known_background_global_p_values_are_as_rare_as_they_say() -> None:
    background, begin = np.full(60, 0.3), np.arange(0.0, 56.0)
    spectra = np.random.default_rng(12).poisson(background, size=(300, 60))
    p = np.array(
        [scan_known(one, 0.0, 1.0, begin, begin + 4.0, background, 0.0, 1.0).p_global for one in spectra]
    )
    for level in [0.5, 0.1]:
        assert (p <= level).mean() < level + 3 * math.sqrt(level / 300)
    assert (p <= 0.5).mean() > 0.15


def test_an_excess_too_large_for_its_tail_still_has_a_finite_significance() -> None:
    found = scan_known(np.array([3000]), 0.0, 1.0, np.zeros(1), np.ones(1), np.ones(1), 0.0, 1.0)
    assert found.p_local[0] == pytest.approx(poisson.sf(2999, 1.0))
    assert found.z[0] == pytest.approx(local_z(3000, 1.0))
    assert (found.p_global, found.largest) == (0.0, 0)


GOOD: dict[str, Any] = {
    "counts": np.ones(40, dtype=np.int64), "low": 0.0, "width": 0.25, "at": np.array([5.0]), "sigma": np.ones(1),
    "fit_low": np.zeros(1), "fit_high": np.full(1, 10.0), "order": np.ones(1, dtype=np.int64),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("order", np.array([5]), r"order is \[5\]; give 1 to 4"),
        ("order", np.array([0]), r"order is \[0\]; give 1 to 4"),
        ("sigma", np.zeros(1), r"sigma is \[0.0\]; give more than 0"),
        ("sigma", np.array([math.nan]), r"sigma is \[nan\]"),
        ("width", 0.0, "width is 0; give more than 0"),
        ("at", np.array([5.0, 6.0]), r"\[2, 1, 1, 1, 1\] entries; give as many of each"),
        ("counts", np.full(40, -1), "counts are negative"),
    ],
)
def test_hypotheses_that_cannot_be_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        scan(**(GOOD | {name: value}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"background": np.ones(3)}, "background has 3 bins; give 4 that are not negative"),
        ({"background": np.full(4, -1.0)}, "background has 4 bins"),
        ({"windows_high": np.ones(2)}, "1 windows_low and 2 windows_high"),
        ({"relative_error": -0.1}, "relative_error is -0.1; give 0 or more"),
    ],
)
def test_known_backgrounds_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "counts": np.ones(4, dtype=np.int64), "low": 0.0, "width": 1.0, "windows_low": np.zeros(1),
        "windows_high": np.ones(1), "background": np.ones(4), "relative_error": 0.0, "fraction": 1.0,
    }  # fmt: skip
    with pytest.raises(StatisticsError, match=message):
        scan_known(**(good | change))
