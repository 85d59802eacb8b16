"""The RICH: Cherenkov rings in neon."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.detectors.hit import RICH, add_hit
from streams.simulate.detectors.track import x_at, y_at
from streams.simulate.stack import END_Z, ENERGY, STACK, Z, pdg_of
from trigger.clock import LSB_NS
from trigger.jit import inline, kernel, named
from trigger.particles import mass_gev


class Rich(NamedTuple):
    """Radiator between entrance and mirror, around the beam pipe.

    inner_mm: of the acceptance, around centre_x_mm at the entrance and the beam axis at the mirror; outer_mm: of the
    mirror. refraction: n - 1. focal_mm: of the mirror. photo_electrons: mean number at the speed of light. l0_least:
    super-cell hits that make an L0 primitive.
    """

    entrance_mm: float
    mirror_mm: float
    inner_mm: float
    outer_mm: float
    centre_x_mm: float
    refraction: float
    focal_mm: float
    photo_electrons: float
    resolution_ns: float
    l0_least: int
    hit_mm: float


RICH_PARTS: Final = named(Rich)


@kernel(types.float64(RICH_PARTS, types.float64, types.float64))
def sin2_angle(rich: Any, energy: float, mass: float) -> float:
    """Square of the sine of the Cherenkov angle, 1 - 1/(beta n)^2, 0 below threshold."""
    n = 1.0 + rich.refraction
    beta2 = 1.0 - (mass / energy) ** 2
    return max(1.0 - 1.0 / (beta2 * n * n), 0.0) if beta2 > 0.0 else 0.0


@kernel(types.float64(RICH_PARTS, STACK, types.int64))
def ring_radius(rich: Any, stack: Any, row: int) -> float:
    """Radius in mm of a particle's ring in the focal plane: focal length times the tangent of the angle."""
    sin2 = sin2_angle(rich, stack[row, ENERGY], mass_gev(pdg_of(stack, row)))
    return rich.focal_mm * np.sqrt(sin2 / (1.0 - sin2))


@kernel(types.float64(RICH_PARTS, types.float64, STACK, types.int64))
def light(rich: Any, magnet_mm: float, stack: Any, row: int) -> float:
    """Mean number of photo-electrons of a charged particle that crosses the radiator, 0 below threshold."""
    if not stack[row, Z] < rich.entrance_mm < rich.mirror_mm < stack[row, END_Z]:
        return 0.0
    x, y = x_at(stack, row, magnet_mm, rich.mirror_mm), y_at(stack, row, magnet_mm, rich.mirror_mm)
    if not rich.inner_mm**2 < x * x + y * y < rich.outer_mm**2:
        return 0.0
    sin2 = sin2_angle(rich, stack[row, ENERGY], mass_gev(pdg_of(stack, row)))
    n = 1.0 + rich.refraction
    return rich.photo_electrons * sin2 / (1.0 - 1.0 / (n * n))


@inline
def rich_hits(
    rng: Any, rich: Any, magnet_mm: float, stack: Any, row: int, time: float, hits: Any, counts: Any
) -> None:
    """Append the signal of a charged particle: one hit, whose ID is the number of super-cells with light."""
    mean = light(rich, magnet_mm, stack, row)
    if mean <= 0.0:
        return
    # Nearly Poisson (Anscombe's transformation), and four times as fast to draw where there is much light.
    if mean < 8.0:
        cells = chance.poisson(rng, mean)
    else:
        cells = int((0.5 * chance.normal(rng) + np.sqrt(mean + 0.375)) ** 2 - 0.125)
    if cells > 0:
        # The resolution is that of a ring of all its photo-electrons.
        sigma = rich.resolution_ns * np.sqrt(rich.photo_electrons / cells)
        add_hit(hits, counts, RICH, time + sigma / LSB_NS * chance.normal(rng), cells)
