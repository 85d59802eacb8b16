"""A signal put into the spectrum of each search is found where it was put, and is worth as much.

Pseudo-experiments are of what candidates leave: entries of background and of signal, filled into the axis of the
search, and looked at with its own plan at the hypothesis in the middle of each region.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Final, NamedTuple

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import kstest

from streams.monitors import spectra
from trigger.searches.catalogue import SEARCHES
from trigger.searches.plan import Plan, expected_background, make_plan, scan_spectrum
from trigger.searches.search import THREE_BODY, Expected, Search
from trigger.statistics.peak_fit import fit_peak
from trigger.statistics.scan import Scan
from trigger.statistics.significance import local_z, on_off_tail, z_of_p
from trigger.statistics.windows import BOX, GAUSSIAN

pytestmark = pytest.mark.needs_jit

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

SPECTRA: Final = 400
Z: Final = 5.0

BACKGROUND: Final = 150.0
"""Expected events of background within three standard deviations of a hypothesis with sidebands."""

KNOWN_BACKGROUND: Final = 20.0
"""Expected events in the window of a search whose background is known."""

FALL: Final = 0.8
"""The background is (1 - FALL u)^2 for u = 0 to 1 over the axis: it falls by 25, and its logarithm is no
polynomial."""

MANY: Final = 10_000
"""Spectra whose sum, rounded, is as good as what is expected of one."""


class Case(NamedTuple):
    """The hypothesis in the middle of a region: the plan of it alone, and the background, if it is known.

    which: of the backgrounds, if that of simulated spills is another.
    """

    search: Search
    region: int
    plan: Plan
    expected: Expected | None
    which: str

    @property
    def number(self) -> int:
        return SEARCHES.index(self.search)

    @property
    def seed(self) -> tuple[int, int, int]:
        """Another one for each case."""
        return self.number, self.region, len(self.which)

    @property
    def at(self) -> float:
        return float(self.plan.at[0])

    @property
    def sigma(self) -> float:
        return float(self.plan.sigma[0])

    def __str__(self) -> str:
        return f"{self.search.name} {self.search.regions[self.region].name} {self.which}".strip()


def middle_of(search: Search, region: int) -> Plan:
    """The plan of one hypothesis."""
    plan = make_plan(search)
    places = np.flatnonzero(plan.region == region)
    middle = places[len(places) // 2 :][:1]
    return Plan(*(getattr(plan, column.name)[middle] for column in fields(Plan)))


def cases() -> Iterator[Case]:
    for search in SEARCHES:
        expected = {"data": search.expected_in(False), "simulated": search.expected_in(True)}
        if len({*expected.values()}) == 1:
            expected = {"": search.expected}
        for region in range(len(search.regions)):
            for which, background in expected.items():
                yield Case(search, region, middle_of(search, region), background, which)


WITH_SIDEBANDS: Final = [case for case in cases() if case.expected is None]
WITH_KNOWN: Final = [case for case in cases() if case.expected is not None]


class Entries(NamedTuple):
    """Values of the observable, and what the normalisation channel says."""

    values: Floats
    normalisation_events: float | None


def cumulated(u: ArrayLike) -> Floats:
    """Integral of the falling background from 0 to u."""
    return np.asarray((1.0 - (1.0 - FALL * np.asarray(u)) ** 3) / (3.0 * FALL))


def falling_total(case: Case) -> float:
    """Expected events of background over the axis, for BACKGROUND of them near the hypothesis."""
    axis = case.search.axis
    u, three = (x / (axis.high - axis.low) for x in (case.at - axis.low, 3.0 * case.sigma))
    return float(BACKGROUND * cumulated(1.0) / (cumulated(u + three) - cumulated(u - three)))


def falling(case: Case, rng: np.random.Generator) -> Floats:
    """Background of a search with sidebands."""
    y = rng.uniform(size=rng.poisson(falling_total(case)))
    u = (1.0 - np.cbrt(1.0 - y * (1.0 - (1.0 - FALL) ** 3))) / FALL
    return np.asarray(case.search.axis.low + u * (case.search.axis.high - case.search.axis.low))


def known(case: Case, expected: Expected, rng: np.random.Generator, times: float) -> Entries:
    """A number of times the known background, of which the window holds KNOWN_BACKGROUND, and what it is relative
    to."""
    at, density = np.array(expected.density).T
    fine = np.linspace(at[0], at[-1], 10_001)
    pieces = np.interp(0.5 * (fine[1:] + fine[:-1]), at, density) * (fine[1] - fine[0])
    up_to = np.concatenate([[0.0], np.cumsum(pieces)])
    low, high = np.interp([case.plan.low[0], case.plan.high[0]], fine, up_to)
    events = KNOWN_BACKGROUND / float(high - low)
    y = rng.uniform(size=rng.poisson(times * events * up_to[-1])) * up_to[-1]
    values = np.interp(y, up_to, fine)
    if expected.per is None:
        return Entries(values, events)
    return Entries(np.append(values, rng.uniform(*expected.per, size=rng.poisson(events))), None)


def background(case: Case, rng: np.random.Generator, uncertain: bool = False) -> Entries:
    """Background of a search. uncertain: a known one is as far off as its error says."""
    if case.expected is None:
        return Entries(falling(case, rng), None)
    # Of a flat prior and the sideband that significance.py takes for the error.
    variance = case.expected.error**2
    times = rng.gamma(1.0 / variance + 1.0, variance) if uncertain else 1.0
    return known(case, case.expected, rng, times)


def peak(case: Case, signal: float, rng: np.random.Generator) -> Floats:
    """Signal over sidebands, or what of it lies in the window over a known background."""
    n, plan = rng.poisson(signal), case.plan
    if case.expected is None:
        return rng.normal(case.at, case.sigma, n)
    if case.search.shape == THREE_BODY:
        return rng.uniform(plan.low[0], plan.high[0], n)
    ends = ndtr((np.array([plan.low[0], plan.high[0]]) - case.at) / case.sigma)
    return np.asarray(case.at + case.sigma * ndtri(rng.uniform(ends[0], ends[1], size=n)))


def filled(case: Case, values: Floats) -> Counts:
    """The spectrum of the search."""
    counts, search = spectra.empty(), np.full(len(values), case.number, np.uint8)
    spectra.fill(counts, search, values.astype(np.float32), np.ones(len(SEARCHES), np.bool_))
    return spectra.spectrum(counts, case.number)[1:-1]


MANY_EVENTS: Final = 10**9
"""Events of a channel whose own Poisson error does not matter."""


def scanned(case: Case, counts: Counts, normalisation_events: float | None = None) -> Scan:
    if case.expected is None:
        return scan_spectrum(case.search, case.plan, counts, None)
    each = (normalisation_events or 0.0) / MANY_EVENTS
    found = expected_background(case.search, case.expected, counts, (MANY_EVENTS, each))
    assert found is not None
    return scan_spectrum(case.search, case.plan, counts, *found)


def signal_of_five_sigma(case: Case) -> float:
    """Signal whose expected count has the significance Z over the expected background and its error."""
    if case.expected is not None:
        b, d = KNOWN_BACKGROUND, KNOWN_BACKGROUND * case.expected.error
        return float(brentq(lambda s: z_of_p(on_off_tail(b + s, b, d)) - Z, 1.0, 1e4))
    u = np.linspace(0.0, 1.0, case.search.axis.bins + 1)
    expected = falling_total(case) * np.diff(cumulated(u)) / cumulated(1.0)
    many = scanned(case, np.rint(MANY * expected).astype(np.int64))
    b, d, fraction = many.b[0] / MANY, many.d[0] / np.sqrt(MANY), many.fraction[0]
    return float(brentq(lambda s: local_z(b + fraction * s, b, d) - Z, 1.0, 1e4))


def assert_unbiased(found: list[float], true: float, most: float) -> None:
    """The mean is the true value, within three standard errors and the most that is allowed."""
    off, error = np.mean(found) - true, np.std(found) / np.sqrt(len(found))
    assert abs(off) < 3.0 * error
    assert abs(off) < most


@pytest.mark.parametrize("case", WITH_SIDEBANDS, ids=str)
def test_the_fit_finds_mass_and_yield_of_a_signal_of_five_sigma(case: Case) -> None:
    signal, rng = signal_of_five_sigma(case), np.random.default_rng([1, *case.seed])
    axis, plan = case.search.axis, case.plan
    fitted = float(plan.fit_low[0]), float(plan.fit_high[0]), int(plan.order[0])
    at, yields = [], []
    for _ in range(SPECTRA):
        counts = filled(case, np.append(falling(case, rng), peak(case, signal, rng)))
        fit = fit_peak(counts, axis.low, axis.width, case.at, case.sigma, *fitted)
        if fit.converged:
            at.append(fit.at)
            yields.append(fit.yield_)
    assert len(at) >= 0.99 * SPECTRA
    # The mass as the observable, of which a twentieth of the resolution is allowed.
    assert_unbiased(at, case.at, 0.05 * case.sigma)
    assert_unbiased(yields, signal, 0.05 * signal)


@pytest.mark.parametrize("case", [*WITH_SIDEBANDS, *WITH_KNOWN], ids=str)
def test_the_scan_says_five_sigma_and_the_yield_of_a_signal_of_five_sigma(case: Case) -> None:
    signal, rng = signal_of_five_sigma(case), np.random.default_rng([2, *case.seed])
    z, yields = [], []
    for _ in range(SPECTRA):
        beside = background(case, rng)
        counts = filled(case, np.append(beside.values, peak(case, signal, rng)))
        scan = scanned(case, counts, beside.normalisation_events)
        z.append(float(scan.z[0]))
        yields.append(float(scan.signal[0]))
    assert abs(np.mean(z) - Z) < 3.0 * np.std(z) / np.sqrt(SPECTRA) + 0.1
    assert_unbiased(yields, signal, 0.05 * signal)


def test_without_a_signal_p_values_are_uniform_or_conservative() -> None:
    p: dict[int, list[float]] = {GAUSSIAN: [], BOX: []}
    for case in [*WITH_SIDEBANDS, *WITH_KNOWN]:
        rng = np.random.default_rng([3, *case.seed])
        for _ in range(SPECTRA):
            beside = background(case, rng, uncertain=True)
            scan = scanned(case, filled(case, beside.values), beside.normalisation_events)
            p[int(scan.window[0])].append(float(scan.p_local[0]))
    assert kstest(p[GAUSSIAN], "uniform").pvalue > 1e-3
    # Of p-values that are too small there may be no more than of uniform ones.
    assert kstest(p[BOX], "uniform", alternative="greater").pvalue > 1e-3
