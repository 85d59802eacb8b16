"""The spike at the start of a spill: some ten milliseconds of twice or three times the beam."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from trigger.intensity.bins import BIN_S, BinCounts, Floats
from trigger.intensity.span import BeamSpan

START_S: Final = 0.5
"""The spike comes this soon: NA62's at 1459 to 1500 ms in a spill from 1169 ms on, in 7% of bursts."""

SPIKE_FACTOR: Final = 1.5
"""Rate of a spike over that of the plateau, at least: NA62's are chosen to be 2 to 3 in the simulation."""

LEAST_BINS: Final = 2
"""Bins of 5 ms that a spike lasts."""

OUTSTANDING: Final = 1.5
"""Excess of a spike over the largest in the plateau: a beam with a duty factor of 0.87 is 1.5 times its mean for
10 ms several times a second. Chosen for one false spike in a hundred spills; a spike of 2 to 3 for 40 ms is then
found nine times out of ten."""

FEWEST_BINS: Final = 100
"""Bins of plateau to compare with, 0.5 s."""


@dataclass(frozen=True)
class Spike:
    """A spike. factor: its mean rate over that of the plateau that follows, as it was then."""

    begin_s: float
    duration_s: float
    factor: float


@dataclass(frozen=True)
class StartSpike:
    """What was found at the start of a spill: a spike or None."""

    spike: Spike | None


def start_spike(bins: BinCounts, span: BeamSpan) -> StartSpike | None:
    """Look for a spike in the first 0.5 s of a whole spill, in bins of 5 ms; None if it cannot be told.

    The rate is taken relative to a straight line through what follows, up to the end of the plateau, because a
    spill falls by a quarter from start to end. A spike is a run of bins at SPIKE_FACTOR or more; its excess, the sum
    of (rate - 1), must be OUTSTANDING times the largest of a run in what follows.
    """
    first, stop = (round(t / BIN_S) for t in (span.begin_s, span.plateau_end_s))
    begin = first + round(START_S / BIN_S)
    if not span.whole or stop - begin < FEWEST_BINS or not bins.whole[first:stop].all():
        return None
    place = np.arange(first, stop)
    rates, later = bins.per_frame[first:stop], place >= begin
    mean = float(rates[later].mean())
    if not mean:
        return None
    line = np.polynomial.Polynomial.fit(place[later], rates[later], 1)
    relative = rates / np.maximum(line(place), mean / 2)
    limit = OUTSTANDING * max((excess for _, _, excess in _runs(relative[later])), default=0.0)
    i, n, excess = max(_runs(relative[~later]), key=lambda run: run[2], default=(0, 0, 0.0))
    return StartSpike(Spike((first + i) * BIN_S, n * BIN_S, 1 + excess / n) if excess > limit else None)


def _runs(relative: Floats) -> Iterator[tuple[int, int, float]]:
    """Yield the runs of bins at SPIKE_FACTOR or more: first bin, number, excess."""
    i = 0
    for high, run in groupby((relative >= SPIKE_FACTOR).tolist()):
        n = len([*run])
        if high and n >= LEAST_BINS:
            yield i, n, float((relative[i : i + n] - 1).sum())
        i += n
