"""Intensity from the beam tracker: its hits in a window around each trigger.

A beam particle makes a hit in each of the three stations, so with h hits in 45 ns the intensity was
h / (3 x 45 ns), 7.41 MHz a hit (the binning of the experiment's own estimate). The particle that triggered made three
of them, whatever the intensity: they are subtracted. A trigger of halo or of hits by chance has no particle of its
own; it is taken to have one, which is 22 MHz too low for it.

Triggers sample the beam where there is more of it. A mean over triggers is <I^2> / <I> = <I> / F; a bin of time
counts once here, however many triggers it has, which leaves only the bias of what varies within a bin:
mean = <I> / F', with F' the duty factor inside of bins. A menu with vetoes prefers low intensity and has a bias of
the other sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from trigger.intensity.bins import Floats, Integers, ratio
from trigger.intensity.duty import DutyFactor, duty_of_measurements

STATIONS: Final = 3
WINDOW_NS: Final = 45.0
MHZ_PER_HIT: Final = 1e3 / (STATIONS * WINDOW_NS)
OWN_HITS: Final = 3
"""Hits of the particle that triggered. Stations are taken to be efficient; with 99% the intensity is 1% low."""

LEAST_EVENTS: Final = 10
"""Triggers in a bin with which the spread of their hits gives the error of the mean."""


@dataclass(frozen=True)
class GtkBins:
    """Sums over the triggers of each bin of 5 ms: their number, their hits, the squares of their hits; int64[n]."""

    events: Integers
    hits: Integers
    squares: Integers

    def between(self, begin: int, stop: int) -> GtkBins:
        """Return a range of bins."""
        return GtkBins(self.events[begin:stop], self.hits[begin:stop], self.squares[begin:stop])


@dataclass(frozen=True)
class GtkIntensity:
    """Intensity of the beam from the GTK.

    mean_mhz, error_mhz: mean of the bins that have triggers. triggered_mhz: mean over triggers, which is higher by
    1 / F. duty: of the bins. per_trigger: of single triggers, all time scales down to 45 ns in it; as triggers
    see it, that is the duty factor of a beam weighted by its own intensity.
    """

    events: int
    mean_mhz: float
    error_mhz: float | None
    triggered_mhz: float
    duty: DutyFactor | None
    per_trigger: DutyFactor | None


def bin_intensity(bins: GtkBins) -> Floats:
    """Return the intensity in MHz of each bin: float64[n], NaN without triggers."""
    return (ratio(bins.hits, bins.events) - OWN_HITS) * MHZ_PER_HIT


def gtk_intensity(bins: GtkBins) -> GtkIntensity | None:
    """Sum up the triggers of some bins; None if there are none."""
    events = int(bins.events.sum())
    if not events:
        return None
    known = bins.events >= LEAST_EVENTS
    mhz, variances = bin_intensity(bins)[known], _variances(bins)[known] * MHZ_PER_HIT**2
    some = bins.events > 0
    return GtkIntensity(
        events=events,
        mean_mhz=float(bin_intensity(bins)[some].mean()),
        error_mhz=float(np.sqrt(variances.sum()) / len(mhz)) if len(mhz) and known[some].all() else None,
        triggered_mhz=(int(bins.hits.sum()) / events - OWN_HITS) * MHZ_PER_HIT,
        duty=duty_of_measurements(mhz, variances),
        per_trigger=_per_trigger(bins),
    )


def _variances(bins: GtkBins) -> Floats:
    """Return the variance of the mean hits of each bin, from their spread: float64[n], 0 where it is not known."""
    n = np.maximum(bins.events, 2)
    return np.asarray(np.maximum(bins.squares - bins.hits**2 / n, 0.0) / (n - 1) / n)


def _per_trigger(bins: GtkBins) -> DutyFactor | None:
    """Return the duty factor of the hits of triggers, each a measurement.

    raw: m^2 / (m^2 + s^2) of the hits as they are. A particle is 3 hits, so those of k particles, Poisson, have
    3 times their mean as variance: F = M^2 / (M^2 + s^2 - 3 M), M = m - 3. The error is that of m and s^2 of a
    Gaussian.
    """
    n, hits, squares = (int(x.sum()) for x in (bins.events, bins.hits, bins.squares))
    mean = hits / n
    m, variance = mean - OWN_HITS, squares / n - mean**2
    q = m**2 + variance - STATIONS * m
    if n < LEAST_EVENTS or m <= 0 or q <= 0:
        return None
    by_mean, by_variance = 2 * m / q - m**2 / q**2 * (2 * m - STATIONS), m**2 / q**2
    error = np.sqrt(by_mean**2 * variance / n + by_variance**2 * 2 * variance**2 / n)
    corrected = m**2 / q
    return DutyFactor(mean**2 / (mean**2 + variance), corrected, corrected, float(error), n)
