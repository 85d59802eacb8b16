"""Which decays an efficiency is of, from the truth alone; and the momentum that it is drawn against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.spill.layout import SpillError
from trigger.l1.straw.geometry import (
    CHAMBER_Z_MM,
    CHAMBERS,
    HALF_LENGTH_MM,
    HOLE_MAX_MM,
    HOLE_MIN_MM,
    KICK_MEV,
    MAGNET_MM,
    OUTER_MM,
)
from trigger.particles import PION, charges
from trigger.records import Records

FIDUCIAL, PINUNU = "fiducial", "pinunu"
"""fiducial: the decay is in the fiducial volume. pinunu: and its one charged product is a pi+ of 15 to 45 GeV/c that
crosses all straw chambers; see `in_pinunu`."""

TITLES: Final = {FIDUCIAL: "in the fiducial volume", PINUNU: "in the acceptance of pi nu nu"}

PINUNU_GEV: Final = (15.0, 45.0)
"""Momentum of the pion, as the analysis of K+ -> pi+ nu nu has it."""

LEAST_VIEWS: Final = 2
"""Views of a chamber with straws where a particle crosses it; with fewer it is in the hole: there is no point."""

ROOT2: Final = np.sqrt(2.0)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def usual_acceptance(mode: Mapping[str, Any]) -> str:
    """Return the acceptance for a mode of the truth: pinunu where a pi+ is all that can be seen."""
    invisible = mode["name"] == "K-pi-X" and mode["parameters"].get("to") == "inv"
    return PINUNU if invisible or mode["name"] == "K-pi-nunu" else FIDUCIAL


@dataclass(frozen=True)
class Products:
    """What decays make, as an acceptance asks for it.

    fastest: int64[n], place of the fastest charged direct product among the particles, -1 without one. n_charged:
    int64[n], charged direct products. Of the fastest: p_gev, float64[n, 3], its momentum, NaN without one; start_mm,
    float64[n, 3], where it begins; end_mm, float64[n], z where it decays, infinite if it does not.
    """

    fastest: Ints
    n_charged: Ints
    p_gev: Floats
    start_mm: Floats
    end_mm: Floats

    @property
    def size_gev(self) -> Floats:
        """Momentum of the fastest charged product: float64[n]."""
        return np.asarray(np.sqrt((self.p_gev**2).sum(axis=1)))


def products_of(decays: Records, particles: Records, source: str) -> Products:
    """Look at the products of decays; `particles` are those of these decays, in their order.

    Raises SpillError, naming `source`, if they are not.
    """
    starts = decays["first_particle"] - (decays["first_particle"][0] if len(decays) else 0)
    numbers = decays["n_particles"].astype(np.int64)
    if not np.array_equal(starts, np.cumsum(numbers) - numbers) or numbers.sum() != len(particles):
        raise SpillError(f"{source}: /truth/decays and /truth/particles do not fit; see ktrig validate")
    owner = np.repeat(np.arange(len(decays)), numbers)
    p = particles["p_gev"].astype(np.float64)
    direct = np.flatnonzero((particles["mother"] == -1) & (charges(particles["pdg"]) != 0))
    n_charged = np.bincount(owner[direct], minlength=len(decays))
    square = (p[direct] ** 2).sum(axis=1)
    most = np.full(len(decays), -1.0)
    np.maximum.at(most, owner[direct], square)
    fast = direct[square == most[owner[direct]]]
    fastest = np.full(len(decays), -1)
    fastest[owner[fast]] = fast
    end = np.full(len(particles), np.inf)
    later = np.flatnonzero(particles["mother"] >= 0)
    mothers = starts[owner[later]] + particles["mother"][later]
    np.minimum.at(end, mothers, particles["vertex_mm"][later, 2].astype(np.float64))
    if not len(particles):
        nothing = np.full((len(decays), 3), np.nan)
        return Products(fastest, n_charged, nothing, nothing, np.full(len(decays), np.inf))
    momentum = np.where((fastest >= 0)[:, None], p[fastest], np.nan)
    return Products(
        fastest, n_charged, momentum, particles["vertex_mm"][fastest].astype(np.float64), end[fastest]
    )


def in_fiducial(decays: Records, fiducial_mm: tuple[float, ...]) -> Bools:
    """Say which decays are in the fiducial volume, from the first z to before the second: bool[n]."""
    z = decays["vertex_mm"][:, 2]
    return np.asarray((z >= fiducial_mm[0]) & (z < fiducial_mm[1]))


def in_pinunu(products: Products, particles: Records) -> Bools:
    """Say which decays look like pi+ nu nu in the spectrometer: bool[n].

    The one charged product is a pi+ of 15 to 45 GeV/c. Before it decays it crosses each straw chamber where at least
    LEAST_VIEWS of its views have straws, on straight lines that meet at the magnet.
    """
    size = products.size_gev
    wanted = (products.n_charged == 1) & (size >= PINUNU_GEV[0]) & (size < PINUNU_GEV[1])
    rows = np.flatnonzero(wanted)
    rows = rows[
        (particles["pdg"][products.fastest[rows]] == PION) & (products.end_mm[rows] > CHAMBER_Z_MM[-1])
    ]
    # Who goes backwards has no line through the chambers.
    rows = rows[products.p_gev[rows, 2] > 0]
    inside = np.zeros(len(size), np.bool_)
    inside[rows] = crosses_chambers(products.p_gev[rows], products.start_mm[rows])
    return inside


def crosses_chambers(p_gev: Floats, start_mm: Floats) -> Bools:
    """Say which particles of charge +1 cross straws of LEAST_VIEWS views in every chamber: bool[n].

    p_gev, start_mm: float64[n, 3], where they begin, in front of the magnet. It gives KICK_MEV in x and keeps the
    momentum.
    """
    px, py, pz = p_gev.T
    way = MAGNET_MM - start_mm[:, 2]
    kicked = px - KICK_MEV * 1e-3
    slopes = px / pz, kicked / np.sqrt(np.maximum(pz**2 + px**2 - kicked**2, 1e-6))
    x_magnet, y_magnet = start_mm[:, 0] + slopes[0] * way, start_mm[:, 1] + py / pz * way
    inside = np.ones(len(p_gev), np.bool_)
    for chamber in range(CHAMBERS):
        dz = CHAMBER_Z_MM[chamber] - MAGNET_MM
        x = x_magnet + slopes[int(dz > 0)] * dz
        inside &= views_with_straws(chamber, x, y_magnet + py / pz * dz) >= LEAST_VIEWS
        inside &= start_mm[:, 2] < CHAMBER_Z_MM[chamber]
    return inside


def views_with_straws(chamber: int, x: Floats, y: Floats) -> Ints:
    """Return how many views of a chamber have straws at points (float64[n], mm): int64[n]."""
    v, u = (x - y) / ROOT2, (x + y) / ROOT2
    n = np.zeros(len(x), np.int64)
    for view, (across, along) in enumerate(((v, u), (u, v), (x, y), (y, x))):
        gap = (across > HOLE_MIN_MM[chamber, view]) & (across < HOLE_MAX_MM[chamber, view])
        n += ~gap & (np.abs(across) <= OUTER_MM) & (np.abs(along) <= HALF_LENGTH_MM)
    return n
