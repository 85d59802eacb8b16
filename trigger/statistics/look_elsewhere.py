"""What an excess is worth that was looked for at many masses, and again and again.

Along a scan the significance of a Gaussian window rises above u so often on average, without signal: N_up(u) = R /
(2 sqrt(2) pi) exp(-u^2 / 2), where R is the integral of the step of the observable over its resolution (Rice's
formula, with the correlation exp(-x^2 / 4 sigma^2) of windows x apart). An excess of local p-value p at the
beginning of the scan or above it later has the global p-value 1 - exp(-(p + N_up)) (E. Gross, O. Vitells, Eur.
Phys. J. C 70 (2010) 525; the exponential is for crossings that come independently of each other).

A box has no such formula: its count jumps, the more often the finer the steps. But it can only reach n when an
event enters, so in a step of x sigma it does so with probability n P(N = n) x / (2 HALF_BOX) at most, and no
hypothesis exceeds p with more than its own probability to do so. The smaller of the two is added up; both are
bounds, and so is what they give.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trigger.statistics.significance import Floats, on_off_tail, z_of_p

ALARM: Final = 1e-3
"""Probability of a false alarm, of all looks at a search together."""

AT_LEAST_Z: Final = 2.0
"""Significance that an excess must have in both halves of the data."""

_SAME: Final = 1.0 + 1e-9
"""A p-value that misses another one by less is the same."""


def upward_crossings(z: ArrayLike, length: ArrayLike) -> Floats:
    """Return how often the significance of a Gaussian window rises above z on average. length: of the scan, in
    units of the resolution."""
    z, length = np.asarray(z, dtype=np.float64), np.asarray(length, dtype=np.float64)
    return np.asarray(length / (2.0 * math.sqrt(2.0) * math.pi) * np.exp(-0.5 * z**2))


def global_p(p_local: ArrayLike, length: ArrayLike) -> Floats:
    """Return the probability that the largest excess of a scan with a Gaussian window has a local p-value of
    p_local or less.

    length: of the scan, the integral of the step of the observable over the resolution. The p-values may be
    arrays. It is never less than the local one.
    """
    crossings = upward_crossings(np.maximum(z_of_p(p_local), 0.0), length)
    return np.maximum(p_local, -np.expm1(-(np.asarray(p_local) + crossings)))


def trials_factor(p_local: ArrayLike, length: ArrayLike) -> Floats:
    """Return by how much the global p-value is larger than the local one."""
    return np.asarray(global_p(p_local, length) / np.asarray(p_local))


def global_p_of_windows(
    p_local: float, gaussian: NDArray[np.bool_], b: Floats, d: Floats, step: Floats, box: float
) -> float:
    """Return the probability that any of the hypotheses of a scan has a local p-value of p_local or less.

    For each hypothesis [k]: gaussian: its window, or a box; b +- d: its background; step: from the one before, in
    units of the resolution, infinite if there is none next to it. box: width of the box in the same units.
    """
    z = max(float(z_of_p(p_local)), 0.0)
    crossings = np.where(gaussian, p_local, 0.0)
    crossings[gaussian] = np.minimum(p_local, upward_crossings(z, step[gaussian]))
    crossings[~gaussian] = _box_crossings(p_local, b[~gaussian], d[~gaussian], step[~gaussian] / box)
    return max(p_local, float(-np.expm1(-crossings.sum())))


def _box_crossings(p_local: float, b: Floats, d: Floats, step: Floats) -> Floats:
    """Return a bound on the probabilities that boxes reach the count of a p-value, and those before did not.
    step: in boxes."""
    n = _count_of(p_local, b, d)
    reached = on_off_tail(n, b, d)
    first = np.isinf(step)
    entered = n * (reached - on_off_tail(n + 1.0, b, d)) * np.where(first, 0.0, step)
    entered[first] = np.inf
    return np.asarray(np.minimum(reached, entered))


def _count_of(p_local: float, b: Floats, d: Floats) -> Floats:
    """Return the smallest whole count over b +- d whose p-value is p_local or less."""
    below, above = np.full(len(b), -1.0), np.ceil(b) + 1.0
    while (more := on_off_tail(above, b, d) > p_local * _SAME).any():
        above[more] *= 2.0
    while (above - below > 1.0).any():
        middle = np.floor(0.5 * (below + above))
        enough = on_off_tail(middle, b, d) <= p_local * _SAME
        above, below = np.where(enough, middle, above), np.where(enough, below, middle)
    return above


def threshold(look: int, alarm: float = ALARM) -> float:
    """Return the global p-value below which look number `look` (1, 2, ...) at growing data may raise an alarm:
    alarm / (k (k + 1))."""
    return alarm / (look * (look + 1))


def is_alarm(p_global: float, look: int, z_even: float, z_odd: float, alarm: float = ALARM) -> bool:
    """Return whether the largest excess of a search is worth waking someone.

    p_global: of all data up to look number `look`. z_even, z_odd: significance at the same mass of the spills with
    even and with odd number alone; NaN if it was not scanned there.

    Without signal, all looks at a search together give an alarm with a probability of at most `alarm`, if global
    p-values are what they say: look k has p_global <= x with probability x, so alarms at any of them have at most
    the sum of alarm/(k (k + 1)), which is alarm (1 - 1/2 + 1/2 - 1/3 + ...) = `alarm`, however much the looks
    depend on each other. To ask for more, an excess in both halves, only makes alarms rarer: it is there for what
    no statistics foresee, a hot channel or a bad spill. Of n searches it is n times as much.
    """
    return bool(p_global <= threshold(look, alarm) and z_even > AT_LEAST_Z and z_odd > AT_LEAST_Z)
