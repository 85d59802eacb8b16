"""Which masses a search tries, and the scan of its spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trigger.searches.search import Expected, Search
from trigger.statistics.scan import Scan, scan, scan_known

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """The hypotheses of a search, in the order of its regions: float64[k], order and region int64[k].

    at, sigma: observable and its resolution. fit_low, fit_high: what may serve as sideband. low, high: what is
    counted if the background is known. order: of the polynomial of the background.
    """

    mass_gev: Floats
    at: Floats
    sigma: Floats
    fit_low: Floats
    fit_high: Floats
    low: Floats
    high: Floats
    order: NDArray[np.int64]
    region: NDArray[np.int64]


def make_plan(search: Search) -> Plan:
    """Lay the hypotheses of a search."""
    rows = [
        (
            mass,
            search.observable_of(mass),
            search.sigma(mass),
            *region.fit,
            *search.window(region, mass),
            region.order,
            number,
        )
        for number, region in enumerate(search.regions)
        for mass in search.masses(region).tolist()
    ]
    columns = np.array(rows, np.float64).reshape(-1, 9).T
    whole = np.ascontiguousarray(columns[7:].astype(np.int64))
    return Plan(*np.ascontiguousarray(columns[:7]), *whole)


def scan_spectrum(
    search: Search, plan: Plan, counts: NDArray[np.int64], background: Floats | None, error: float = 0.0
) -> Scan:
    """Scan a spectrum (int64[bins] of the search's axis).

    background: expected in each bin, float64[bins], known to the relative `error`; None if it is from sidebands.
    """
    axis = search.axis
    if background is None:
        return scan(
            counts, axis.low, axis.width, plan.at, plan.sigma, plan.fit_low, plan.fit_high, plan.order
        )
    # The acceptance is that of the window.
    return scan_known(counts, axis.low, axis.width, plan.low, plan.high, background, error, 1.0)


def expected_background(
    search: Search, expected: Expected, counts: NDArray[np.int64], normalisation: tuple[int, float]
) -> tuple[Floats, float] | None:
    """Return the background expected in each bin of a spectrum (int64[bins]), float64[bins], and its relative error.

    normalisation: events of the normalisation channel, and how many each stands for, in the units of the search's own
    line. Returns None without events that it is relative to. Their Poisson error is in the error.
    """
    axis = search.axis
    edges = np.linspace(axis.low, axis.high, axis.bins + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    at, density = np.array(expected.density, np.float64).T
    events, weight = normalisation
    if expected.per is not None:
        control = (centres > expected.per[0]) & (centres < expected.per[1])
        events, weight = int(counts[control].sum()), 1.0
    if not events or not np.isfinite(weight):
        return None
    shape = np.interp(centres, at, density, left=0.0, right=0.0) * axis.width
    return np.asarray(shape * events * weight), float(np.hypot(expected.error, 1.0 / np.sqrt(events)))
