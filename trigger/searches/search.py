"""A search: what it selects, the spectrum that it fills, and where in it a new particle would make a peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Select = Callable[[NDArray[np.void], NDArray[np.float64]], None]
"""A kernel: candidates of one kind in, the observable of each out (float64[n]), NaN if the search does not take it."""

Table = tuple[tuple[float, float], ...]
"""Pairs (mass in GeV, value), in the order of mass; linear in between, and constant beyond the ends."""

PEAK: Final = "peak"
THREE_BODY: Final = "three-body"
"""Shapes of a signal: a Gaussian at its mass, or what lies between its mass and the end of the phase space."""

SQUARED_GEV2: Final = "GeV2"
GEV: Final = "GeV"


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
    """A range of masses (GeV) that is scanned. fit: the part of the spectrum that may serve as sideband, in the unit of
    the observable: no other peak and no edge of the selection lies in it. order: of the polynomial of the background."""

    name: str
    low_gev: float
    high_gev: float
    fit: tuple[float, float]
    order: int = 2


@dataclass(frozen=True)
class Expected:
    """A background that is known from elsewhere.

    density: pairs (observable, events per unit of it) for each event of `per`: a range of the same spectrum, or None for
    the events of the normalisation channel, corrected for both downscalings. error: relative, of the whole.
    """

    density: Table
    per: tuple[float, float] | None
    error: float


@dataclass(frozen=True)
class Search:
    """One search, or a normalisation channel (without regions).

    lines: the trigger lines that it rides on; an event counts if one of them passed. Their conditions are nested: the
    others are parts of the one with the largest downscaling, so the chance that an event is kept follows from all.
    kind: of candidates (`reconstruct.candidates.KINDS`). unit: GEV if the observable is a mass, SQUARED_GEV2 if it is the
    square of one. resolution: standard deviation of the observable against mass. acceptance: fraction of the signal's
    decays in the fiducial volume that the selection takes, trigger included, before downscaling. normalisation: name of the
    channel that counts the decays of kaons. needs: parts of a spill file without which the search is inactive. expected: its
    background, None if it is from sidebands. shape: PEAK or THREE_BODY. parent: of whose decays the signal is a fraction.
    """

    name: str
    title: str
    reference: str
    lines: tuple[str, ...]
    kind: str
    select: Select
    observable: str
    formula: str
    unit: str
    axis: Axis
    regions: tuple[Region, ...]
    step_gev: float
    resolution: Table
    acceptance: Table
    backgrounds: str
    normalisation: str
    needs: tuple[str, ...] = ("hits/STRAW",)
    expected: Expected | None = None
    shape: str = PEAK
    parent: str = "K+"

    def observable_of(self, mass_gev: float) -> float:
        """Return where a mass lies in the spectrum."""
        return mass_gev**2 if self.unit == SQUARED_GEV2 else mass_gev

    def sigma(self, mass_gev: float) -> float:
        """Return the resolution of the observable at a mass."""
        return interpolate(self.resolution, mass_gev)


def interpolate(table: Table, mass_gev: float) -> float:
    """Return the value of a table at a mass."""
    masses, values = zip(*table, strict=True)
    return float(np.interp(mass_gev, masses, values))


