"""Decays in two: directions, Lorentz boosts, and products that go onto the stack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.stack import FOUR, STACK, VECTOR, push
from trigger.jit import kernel


@kernel(VECTOR(types.uint64[::1]))
def isotropic(rng: Any) -> tuple[float, float, float]:
    """Draw a direction, uniform on the sphere."""
    cosine, phi = 2.0 * chance.uniform(rng) - 1.0, 2.0 * np.pi * chance.uniform(rng)
    sine = np.sqrt(1.0 - cosine * cosine)
    return sine * np.cos(phi), sine * np.sin(phi), cosine


@kernel(VECTOR(types.uint64[::1], VECTOR, types.float64))
def around(rng: Any, axis: Any, cosine: float) -> tuple[float, float, float]:
    """Draw a direction at an angle of this cosine to a unit vector, uniform in azimuth."""
    ax, ay, az = axis
    # The axis that is least along `axis` gives a perpendicular one that is well defined.
    if abs(az) < 0.9:
        norm = 1.0 / np.sqrt(ax * ax + ay * ay)
        bx, by, bz = -ay * norm, ax * norm, 0.0
    else:
        norm = 1.0 / np.sqrt(ay * ay + az * az)
        bx, by, bz = 0.0, -az * norm, ay * norm
    cx, cy, cz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    phi, sine = 2.0 * np.pi * chance.uniform(rng), np.sqrt(max(1.0 - cosine * cosine, 0.0))
    b, c = sine * np.cos(phi), sine * np.sin(phi)
    return cosine * ax + b * bx + c * cx, cosine * ay + b * by + c * cy, cosine * az + b * bz + c * cz


@kernel(FOUR(FOUR, FOUR, types.float64))
def boosted(p: Any, frame: Any, mass: float) -> tuple[float, float, float, float]:
    """Boost a momentum (px, py, pz, E) from the rest frame of a particle to where that has the momentum `frame`."""
    along = p[0] * frame[0] + p[1] * frame[1] + p[2] * frame[2]
    factor = (along / (frame[3] + mass) + p[3]) / mass
    return (
        p[0] + factor * frame[0],
        p[1] + factor * frame[1],
        p[2] + factor * frame[2],
        (frame[3] * p[3] + along) / mass,
    )


@kernel("float64(float64, float64, float64)")
def momentum_in_two(mass: float, m1: float, m2: float) -> float:
    """Momentum of the products of a decay in two, in the rest frame; 0 below threshold."""
    squared = (mass * mass - (m1 + m2) ** 2) * (mass * mass - (m1 - m2) ** 2)
    return np.sqrt(max(squared, 0.0)) / (2.0 * mass)


@kernel(
    types.void(
        types.uint64[::1],
        STACK,
        types.int64,
        FOUR,
        types.float64,
        VECTOR,
        types.int64,
        types.float64,
        types.int64,
        types.float64,
    )
)
def two_body(
    rng: Any,
    stack: Any,
    mother: int,
    p: Any,
    mass: float,
    place: Any,
    pdg1: int,
    m1: float,
    pdg2: int,
    m2: float,
) -> None:
    """Let a particle of momentum (px, py, pz, E) decay isotropically in two at a place; add both to the stack."""
    k = momentum_in_two(mass, m1, m2)
    nx, ny, nz = isotropic(rng)
    one = boosted((k * nx, k * ny, k * nz, np.sqrt(k * k + m1 * m1)), p, mass)
    push(stack, pdg1, mother, one, place)
    push(stack, pdg2, mother, (p[0] - one[0], p[1] - one[1], p[2] - one[2], p[3] - one[3]), place)
