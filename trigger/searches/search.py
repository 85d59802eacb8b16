"""A search: what it selects, the spectrum that it fills, and where in it a new particle would make a peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Select = Callable[[NDArray[np.void], NDArray[np.float64]], None]
"""A kernel: candidates of a kind in, the observable of each out (float64[n]), NaN if the search does not take it."""

Table = tuple[tuple[float, float], ...]
"""Pairs (mass in GeV, value), in the order of mass: linear in between, and constant beyond the ends."""

PEAK: Final = "peak"
THREE_BODY: Final = "three-body"
"""Shapes of a signal: a Gaussian at its mass, or what lies between its mass and the end of the phase space."""

SQUARED_GEV2: Final = "GeV2"
GEV: Final = "GeV"

STEPS_PER_SIGMA: Final = 2.0
"""Hypotheses within one resolution, at the least: a peak half a step off loses 3% of its significance."""

PARENTS_PER_KAON: Final = {"K+": 1.0, "pi+": 1.667, "pi0": 0.3261}
"""Decays of a parent for each decay of a K+ in the fiducial volume.

pi+: of the beam, 0.70/0.06 times their chances to decay between 105 and 180 m, 0.01771/0.12398 (NA62 beam at GTK3,
physics of exponential decay). pi0: the branching ratios of K+ with one, and twice that with two
(`streams/simulate/decays/modes.toml`).
"""


@dataclass(frozen=True)
class Axis:
    """Bins of a spectrum: `bins` equal ones from `low` to `high`, in the unit of the observable."""

    bins: int
    low: float
    high: float

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.high - self.low) / self.bins


@dataclass(frozen=True)
class Region:
    """A range of masses (GeV) that is scanned.

    fit: the part of the spectrum that may serve as sideband, in the unit of the observable: no other peak and no
    edge of the selection lies in it. With a known background it is the range that is counted, see `Search.window`.
    order: of the polynomial of the background.
    """

    name: str
    low_gev: float
    high_gev: float
    fit: tuple[float, float]
    order: int = 2


@dataclass(frozen=True)
class Expected:
    """A background that is known from elsewhere.

    density: pairs (observable, events per unit of it) for each event of `per`: a range of the same spectrum, or None
    for the events of the normalisation channel, corrected for both downscalings. error: relative, of the whole.
    """

    density: Table
    per: tuple[float, float] | None
    error: float


@dataclass(frozen=True)
class Channel:
    """What makes a search a normalisation channel.

    branching_ratio: of the K+. counted: the range of its spectrum whose events count; `acceptance` is that of this
    range, with what else lies in it, so decays of kaons = events x downscaling / (acceptance x branching ratio).
    """

    branching_ratio: float
    counted: tuple[float, float]


@dataclass(frozen=True)
class Search:
    """One search, or a normalisation channel (without regions).

    lines: the trigger lines that it rides on; an event counts if one of them passed. Their conditions are nested:
    who passes the first passes all, so the chance that such an event is kept follows from all downscalings. kind:
    of candidates (`reconstruct.candidates.KINDS`). selection: its cuts in words, each with its source. unit: GEV if
    the observable is a mass, SQUARED_GEV2 if it is the square of one. step_gev: between hypotheses at most, see
    `masses`. resolution: standard deviation of the observable against mass. acceptance: fraction of the signal's
    decays in the fiducial volume that the first line and the selection take, before downscaling. pile_up: pairs
    (intensity in MHz, factor on the acceptance). normalisation: name of the channel that counts the decays of
    kaons. needs: parts of a spill file without which the search is inactive. expected: its background, None if it
    is from sidebands; expected_simulated: for simulated spills, if that is another. shape: PEAK or THREE_BODY.
    parent: of whose decays the signal is a fraction, see PARENTS_PER_KAON.
    """

    name: str
    title: str
    reference: str
    lines: tuple[str, ...]
    kind: str
    select: Select
    selection: str
    observable: str
    formula: str
    unit: str
    axis: Axis
    regions: tuple[Region, ...]
    step_gev: float
    resolution: Table
    acceptance: Table
    pile_up: Table
    backgrounds: str
    normalisation: str
    needs: tuple[str, ...] = ("hits/STRAW",)
    expected: Expected | None = None
    expected_simulated: Expected | None = None
    shape: str = PEAK
    parent: str = "K+"
    channel: Channel | None = None

    def observable_of(self, mass_gev: float) -> float:
        """Return where a mass lies in the spectrum."""
        return mass_gev**2 if self.unit == SQUARED_GEV2 else mass_gev

    def sigma(self, mass_gev: float) -> float:
        """Return the resolution of the observable at a mass."""
        return interpolate(self.resolution, mass_gev)

    def sigma_mass_gev(self, mass_gev: float) -> float:
        """Return the resolution of the mass; infinite at zero mass if the observable is its square."""
        slope = 2.0 * mass_gev if self.unit == SQUARED_GEV2 else 1.0
        return self.sigma(mass_gev) / slope if slope > 0.0 else float("inf")

    def acceptance_at(self, mass_gev: float, intensity_mhz: float) -> float:
        """Return the acceptance at a mass and an intensity: what other decays leave in the detectors costs some."""
        return interpolate(self.acceptance, mass_gev) * interpolate(self.pile_up, intensity_mhz)

    def masses(self, region: Region) -> NDArray[np.float64]:
        """Return the hypotheses of a region (GeV), both of its ends among them: float64[k].

        They are `step_gev` apart, and closer where a peak's resolution asks for it (STEPS_PER_SIGMA).
        """
        steps = [region.low_gev]
        while steps[-1] < region.high_gev:
            steps.append(steps[-1] + self._step_gev(steps[-1]))
        if len(steps) == 1:
            return np.asarray(steps)
        # Stretched, so that the last one is the end.
        grown = np.asarray(steps) - region.low_gev
        return np.asarray(region.low_gev + grown * (region.high_gev - region.low_gev) / grown[-1])

    def _step_gev(self, mass_gev: float) -> float:
        """Return the distance of a hypothesis to the next one."""
        if self.shape == THREE_BODY:
            return self.step_gev
        return min(self.step_gev, self.sigma_mass_gev(mass_gev) / STEPS_PER_SIGMA)

    def window(self, region: Region, mass_gev: float) -> tuple[float, float]:
        """Return the range that is counted for a mass if the background is known; `acceptance` is that of this range.

        For a signal in three bodies it begins at the mass, if the region's fit does not begin above it.
        """
        low, high = region.fit
        return (max(low, self.observable_of(mass_gev)), high) if self.shape == THREE_BODY else (low, high)

    def expected_in(self, simulated: bool) -> Expected | None:
        """Return the known background in a spill that is simulated, or in one that is not."""
        return self.expected_simulated or self.expected if simulated else self.expected


def interpolate(table: Table, at: float) -> float:
    """Return the value of a table at a mass, or at what else it is against."""
    places, values = zip(*table, strict=True)
    return float(np.interp(at, places, values))
