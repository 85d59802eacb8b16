"""The particles of the beam: species, momentum, direction, and where they decay."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.stack import push, set_count
from trigger.jit import inline, kernel, named
from trigger.particles import KAON, PION, ctau_mm, mass_gev


class Beam(NamedTuple):
    """The beam at the entrance of the decay volume, z = `entrance_mm`; from there to `end_mm` its decays are made.

    spread: standard deviation of the momentum over its mean. divergence: that of dx/dz and dy/dz. spot_x_mm,
    spot_y_mm: that of the position at the entrance. The axis is x = axis_slope * (z - axis_zero_mm), y = 0.
    bent_behind_magnet: 1 if what decays behind the spectrometer magnet was bent by it, 0 if not.
    """

    momentum_gev: float
    spread: float
    divergence: float
    spot_x_mm: float
    spot_y_mm: float
    kaon_fraction: float
    pion_fraction: float
    entrance_mm: float
    end_mm: float
    axis_slope: float
    axis_zero_mm: float
    bent_behind_magnet: int


BEAM: Final = named(Beam)


@kernel(types.float64(types.uint64[::1], types.int64, types.float64, types.float64))
def decay_length(rng: Any, pdg: int, momentum_gev: float, longest_mm: float) -> float:
    """Draw the length in mm after which a particle decays, given that it does within `longest_mm`."""
    mean = ctau_mm(pdg) * momentum_gev / mass_gev(pdg)
    return -mean * np.log1p(chance.uniform(rng) * np.expm1(-longest_mm / mean))


@inline
def beam_particle(rng: Any, beam: Any, magnet: Any, pdg: int, decays: bool, stack: Any) -> None:
    """Make the stack anew, with a beam particle in row 0: where it decays if it `decays`, else at the entrance."""
    set_count(stack, 0)
    p = beam.momentum_gev * (1.0 + beam.spread * chance.normal(rng))
    tx = beam.axis_slope + beam.divergence * chance.normal(rng)
    ty = beam.divergence * chance.normal(rng)
    x = beam.axis_slope * (beam.entrance_mm - beam.axis_zero_mm) + beam.spot_x_mm * chance.normal(rng)
    y = beam.spot_y_mm * chance.normal(rng)
    length = decay_length(rng, pdg, p, beam.end_mm - beam.entrance_mm) if decays else 0.0
    pz = p / np.sqrt(1.0 + tx * tx + ty * ty)
    energy = np.sqrt(p * p + mass_gev(pdg) ** 2)
    px, py, z = pz * tx, pz * ty, beam.entrance_mm + length
    x += tx * length
    if beam.bent_behind_magnet and z > magnet.z_mm:
        px -= magnet.kick_gev
        x -= tx * (z - magnet.z_mm)
        pz = np.sqrt(p * p - px * px - py * py)
        x += px / pz * (z - magnet.z_mm)
    push(stack, pdg, -1, (px, py, pz, energy), (x, y + ty * length, z))


def decays_per_particle(beam: Beam) -> tuple[float, float]:
    """Decays of kaons and of pions between the entrance and the end, for each particle of the beam."""
    length = beam.end_mm - beam.entrance_mm
    fractions = {KAON: beam.kaon_fraction, PION: beam.pion_fraction}
    kaons, pions = (
        fraction * -np.expm1(-length * mass_gev(pdg) / (ctau_mm(pdg) * beam.momentum_gev))
        for pdg, fraction in fractions.items()
    )
    return float(kaons), float(pions)
