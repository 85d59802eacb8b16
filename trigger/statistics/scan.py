"""The scan of a spectrum for a peak at any of many masses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trigger.statistics.background import Hypotheses, make_hypotheses, make_spectrum
from trigger.statistics.error import StatisticsError
from trigger.statistics.limits import expected_limits, upper_limit
from trigger.statistics.look_elsewhere import global_p_of_windows
from trigger.statistics.significance import Floats, local_z, on_off_tail, p_of_z, z_of_p
from trigger.statistics.windows import BOX, EDGE, GAUSSIAN, HALF_BOX, SCANNED, Found, look

Counts = NDArray[np.int64]

_SMALLEST: Final = 1e-300
"""P-value below which the significance of a box is that of the likelihood ratio: the tail underflows."""


@dataclass(frozen=True)
class Scan:
    """What a spectrum says about each hypothesis: float64[k] unless said otherwise, NaN where it was not scanned.

    at: in the unit of the observable. n, b, d: events in the window, and the background there and its error; of a
    Gaussian window both are scaled (windows.py). fraction: of the signal that n holds. spread: variance of the
    signal's part of n over its mean. window: GAUSSIAN or BOX, int64[k]. status: SCANNED, or why not
    (windows.REASONS), int64[k]. step: from the hypothesis before, in units of the resolution; infinite if there is
    none next to it. z: local significance. p_local: of a box with a small count it is conservative. signal,
    signal_error: number of decays that the excess n - b is worth. limit: upper limit on it at 90% CL. expected:
    limits expected without signal, quantiles limits.BAND, float64[k, 5].
    """

    at: Floats
    window: NDArray[np.int64]
    status: NDArray[np.int64]
    step: Floats
    n: Floats
    b: Floats
    d: Floats
    fraction: Floats
    spread: Floats
    z: Floats
    p_local: Floats
    signal: Floats
    signal_error: Floats
    limit: Floats
    expected: Floats

    @property
    def scanned(self) -> NDArray[np.bool_]:
        """Which hypotheses were scanned: bool[k]."""
        return np.asarray(self.status == SCANNED)

    @property
    def largest(self) -> int | None:
        """The hypothesis with the smallest local p-value (of several, that with the largest significance); None
        without any."""
        if not self.scanned.any():
            return None
        p = np.where(self.scanned, self.p_local, np.inf)
        return int(np.argmax(np.where(p == p.min(), self.z, -np.inf)))

    @property
    def length(self) -> float:
        """Length of the scan: the integral of the step of the observable over the resolution."""
        return float(self.step[self.scanned & np.isfinite(self.step)].sum())

    @cached_property
    def p_global(self) -> float:
        """The probability that a scan without signal has an excess as large as the largest one; 1 if nothing
        was scanned."""
        largest, scanned = self.largest, self.scanned
        if largest is None or self.p_local[largest] >= 1.0:
            return 1.0
        of = (self.b[scanned], self.d[scanned], self.step[scanned])
        gaussian = self.window[scanned] == GAUSSIAN
        return global_p_of_windows(float(self.p_local[largest]), gaussian, *of, 2.0 * HALF_BOX)


def scan(
    counts: Counts,
    low: float,
    width: float,
    at: Floats,
    sigma: Floats,
    fit_low: Floats,
    fit_high: Floats,
    order: NDArray[np.int64],
) -> Scan:
    """Scan a spectrum whose background comes from sidebands.

    counts: of bins of `width` from `low` on, int64[n_bins]. at, sigma: of the hypotheses in the unit of the
    observable; neighbours in the same range that may be fitted (fit_low, fit_high, order of the polynomial: 1 to
    4), in the order of the observable, are one scan. Bins should not be wider than sigma/4. All float64[k], order
    int64[k].

    Raises StatisticsError for arrays of different lengths, or values out of range.
    """
    hypotheses = make_hypotheses(at, sigma, fit_low, fit_high, order)
    found = look(make_spectrum(counts, low, width), hypotheses)
    return _conclude(hypotheses.at, found, _steps(hypotheses, found.status == SCANNED))


def scan_known(
    counts: Counts,
    low: float,
    width: float,
    windows_low: Floats,
    windows_high: Floats,
    background: Floats,
    relative_error: float,
    fraction: ArrayLike,
) -> Scan:
    """Scan a spectrum whose background is known, with boxes.

    counts: as for `scan`. windows_low, windows_high: of the boxes, float64[k], in an order in which neighbours
    overlap; a box holds the whole bins whose centre lies in it. background: expected events per bin,
    float64[n_bins]; relative_error: of all of it together. fraction: of the signal that a box holds, a number or
    float64[k].

    Raises StatisticsError for arrays of different lengths, or values out of range.
    """
    begin, end = (np.array(x, dtype=np.float64, ndmin=1) for x in (windows_low, windows_high))
    events, expected = make_spectrum(counts, low, width).counts, np.asarray(background, dtype=np.float64)
    if len(begin) != len(end):
        raise StatisticsError(
            f"there are {len(begin)} windows_low and {len(end)} windows_high; give as many of each"
        )
    if expected.shape != events.shape or not (expected >= 0).all():
        raise StatisticsError(
            f"background has {expected.size} bins; give {events.size} that are not negative"
        )
    if not relative_error >= 0:
        raise StatisticsError(f"relative_error is {relative_error:g}; give 0 or more")
    first, last = (np.ceil((x - low) / width - 0.5).astype(np.int64) for x in (begin, end))
    inside = (first >= 0) & (last <= len(events)) & (first < last)
    first, last = np.where(inside, first, 0), np.where(inside, last, 0)
    n, b = _between(events, first, last), _between(expected, first, last)
    ones, status = np.ones(len(begin)), np.where(inside, SCANNED, EDGE)
    found = Found(
        n, b, relative_error * b, np.asarray(fraction) * ones, ones, np.full(len(begin), BOX), status
    )
    return _conclude(0.5 * (begin + end), found, _entering(expected, first, last, b, inside))


def _between(values: Floats | Counts, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    """Return the sums of values[first:last]."""
    up_to = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray(up_to[last] - up_to[first])


def _steps(hypotheses: Hypotheses, scanned: NDArray[np.bool_]) -> Floats:
    """Return the steps from the hypothesis before, in units of the resolution; infinite at the beginning of a
    scan."""
    at, sigma = hypotheses.at, hypotheses.sigma
    steps = np.full(len(at), np.inf)
    step = 2.0 * np.diff(at) / (sigma[1:] + sigma[:-1])
    same = scanned[1:] & scanned[:-1] & (step > 0)
    for column in (hypotheses.fit_low, hypotheses.fit_high, hypotheses.order):
        same &= column[1:] == column[:-1]
    steps[1:][same] = step[same]
    return steps


def _entering(
    background: Floats,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    b: Floats,
    inside: NDArray[np.bool_],
) -> Floats:
    """Return the background that is new in each window, over that of the window, as a step of a box on a flat
    background."""
    begin, end = np.maximum(first[1:], first[:-1]), np.minimum(last[1:], last[:-1])
    old = _between(background, begin, np.maximum(begin, end))
    known = inside[1:] & inside[:-1] & (b[1:] > 0)
    steps = np.full(len(first), np.inf)
    steps[1:][known] = 2.0 * HALF_BOX * (1.0 - old[known] / b[1:][known])
    return steps


def _conclude(at: Floats, found: Found, step: Floats) -> Scan:
    """Return significances and limits of what was found."""
    scanned = found.status == SCANNED
    n, b, d, fraction, spread = (x[scanned] for x in found[:5])
    box = found.window[scanned] == BOX
    z = local_z(n, b, d)
    p = np.where(box, on_off_tail(n, b, d), p_of_z(z))
    exact = box & (n > b) & (p > _SMALLEST)
    z[exact] = z_of_p(p[exact])
    error = np.sqrt(b + spread * np.maximum(n - b, 0.0) + d**2) / fraction
    limits = upper_limit(n, b, d, fraction, spread), expected_limits(b, d, fraction, spread, box)
    results = (n, b, d, fraction, spread, z, p, (n - b) / fraction, error, *limits)
    columns = (_where(scanned, values) for values in results)
    return Scan(at, found.window, found.status, step, *columns)


def _where(scanned: NDArray[np.bool_], values: Floats) -> Floats:
    """Return values of the scanned hypotheses among all of them, NaN for the others."""
    every = np.full((len(scanned), *values.shape[1:]), np.nan)
    every[scanned] = values
    return every
