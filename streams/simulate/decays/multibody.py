"""Decays in three, in one particle and a pair, and by two virtual photons."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types

from streams.simulate import chance
from streams.simulate.decays.kinematics import around, boosted, isotropic, momentum_in_two, two_body
from streams.simulate.decays.shapes import bremsstrahlung_density, pair_weight, three_body_weight
from streams.simulate.decays.tables import (
    BREMSSTRAHLUNG,
    DALITZ,
    DECAY_TABLES,
    LARGEST,
    LEPTONS,
    MASS,
    NEUTRINOS,
    PRODUCT,
    SHAPE,
)
from streams.simulate.stack import FOUR, MOTHER, STACK, VECTOR, momentum_of, place_of, push
from trigger.jit import kernel
from trigger.particles import ELECTRON, M_ELECTRON_GEV

SOFTEST: Final = 3.5e-3
"""Energy in GeV from which bremsstrahlung is drawn: below what the cut on the muon lets pass, 3.7 MeV."""


@kernel(VECTOR(types.uint64[::1], DECAY_TABLES, types.int64, types.float64))
def draw_three(rng: Any, tables: Any, mode: int, mass: float) -> tuple[float, float, float]:
    """Draw the energies of the first two products of a decay in three, and the cosine between them."""
    shape, largest = int(tables[mode, SHAPE]), tables[mode, LARGEST]
    m1, m2, m3 = tables[mode, MASS], tables[mode, MASS + 1], tables[mode, MASS + 2]
    top1 = (mass * mass + m1 * m1 - (m2 + m3) ** 2) / (2.0 * mass)
    top2 = (mass * mass + m2 * m2 - (m1 + m3) ** 2) / (2.0 * mass)
    while True:
        if shape == BREMSSTRAHLUNG:
            # Both the photon's energy and its product with the lepton, x s, are drawn from 1/e; r/(1 + r) < s < 1.
            r = (m2 / mass) ** 2
            e1 = SOFTEST * (top1 / SOFTEST) ** chance.uniform(rng)
            x = 2.0 * e1 / mass
            e2 = 0.5 * mass * (1.0 + r - x + x * (r / (1.0 + r)) ** chance.uniform(rng))
        else:
            e1 = m1 + (top1 - m1) * chance.uniform(rng)
            e2 = m2 + (top2 - m2) * chance.uniform(rng)
        e3 = mass - e1 - e2
        p1, p2 = e1 * e1 - m1 * m1, e2 * e2 - m2 * m2
        if e3 < m3 or p1 <= 0.0 or p2 <= 0.0:
            continue
        cosine = (e3 * e3 - m3 * m3 - p1 - p2) / (2.0 * np.sqrt(p1 * p2))
        if abs(cosine) > 1.0:
            continue
        weight = three_body_weight(shape, tables, mode, mass, e1, e2)
        if shape == BREMSSTRAHLUNG:
            weight *= bremsstrahlung_density(mass, m2, e1, e2)
        if chance.uniform(rng) * largest < weight:
            return e1, e2, cosine


@kernel(types.void(types.uint64[::1], DECAY_TABLES, STACK, types.int64, types.int64, types.float64))
def three_body(rng: Any, tables: Any, stack: Any, row: int, mode: int, mass: float) -> None:
    """Let the particle in `row` decay in three, in a random orientation."""
    p, place = momentum_of(stack, row), place_of(stack, row)
    e1, e2, cosine = draw_three(rng, tables, mode, mass)
    p1 = np.sqrt(e1 * e1 - tables[mode, MASS] ** 2)
    p2 = np.sqrt(e2 * e2 - tables[mode, MASS + 1] ** 2)
    a = isotropic(rng)
    b = around(rng, a, cosine)
    one = boosted((p1 * a[0], p1 * a[1], p1 * a[2], e1), p, mass)
    two = boosted((p2 * b[0], p2 * b[1], p2 * b[2], e2), p, mass)
    push(stack, int(tables[mode, PRODUCT]), row, one, place)
    push(stack, int(tables[mode, PRODUCT + 1]), row, two, place)
    rest = (p[0] - one[0] - two[0], p[1] - one[1] - two[1], p[2] - one[2] - two[2], p[3] - one[3] - two[3])
    push(stack, int(tables[mode, PRODUCT + 2]), row, rest, place)


@kernel(types.float64(types.uint64[::1], DECAY_TABLES, types.int64, types.float64))
def draw_pair_mass(rng: Any, tables: Any, mode: int, mass: float) -> float:
    """Draw the mass of the pair in a decay into one particle and a pair."""
    shape, largest = int(tables[mode, SHAPE]), tables[mode, LARGEST]
    low, high = 4.0 * tables[mode, MASS + 1] ** 2, (mass - tables[mode, MASS]) ** 2
    while True:
        draw = 1.0 - chance.uniform(rng)
        q2 = low * (high / low) ** draw if shape == DALITZ else low + (high - low) * draw
        if chance.uniform(rng) * largest < pair_weight(shape, tables, mode, mass, q2):
            return np.sqrt(q2)


@kernel(types.float64(types.uint64[::1], types.int64, types.float64))
def pair_cosine(rng: Any, shape: int, beta: float) -> float:
    """Draw the angle of a member of the pair to the pair's flight, in its rest frame, where it has the velocity beta.

    A vector current between spinless particles gives 1 - beta^2 cos^2, a transverse photon 2 - beta^2 sin^2.
    """
    while True:
        cosine, draw = 2.0 * chance.uniform(rng) - 1.0, chance.uniform(rng)
        along = beta * beta * cosine * cosine
        if shape in (LEPTONS, NEUTRINOS):
            if draw < 1.0 - along:
                return cosine
        elif shape == DALITZ:
            if 2.0 * draw < 2.0 - beta * beta + along:
                return cosine
        else:
            return cosine


@kernel(types.void(types.uint64[::1], DECAY_TABLES, STACK, types.int64, types.int64, types.float64))
def one_and_pair(rng: Any, tables: Any, stack: Any, row: int, mode: int, mass: float) -> None:
    """Let the particle in `row` decay into one and a pair of equal masses."""
    p, place = momentum_of(stack, row), place_of(stack, row)
    pair = draw_pair_mass(rng, tables, mode, mass)
    k = momentum_in_two(mass, tables[mode, MASS], pair)
    axis = isotropic(rng)
    at_rest = (k * axis[0], k * axis[1], k * axis[2], np.sqrt(k * k + pair * pair))
    both = boosted(at_rest, p, mass)
    rest = (p[0] - both[0], p[1] - both[1], p[2] - both[2], p[3] - both[3])
    push(stack, int(tables[mode, PRODUCT]), row, rest, place)
    half = 0.5 * pair
    q = np.sqrt(max(half * half - tables[mode, MASS + 1] ** 2, 0.0))
    n = around(rng, axis, pair_cosine(rng, int(tables[mode, SHAPE]), q / half))
    one = boosted(boosted((q * n[0], q * n[1], q * n[2], half), at_rest, pair), p, mass)
    push(stack, int(tables[mode, PRODUCT + 1]), row, one, place)
    other = (both[0] - one[0], both[1] - one[1], both[2] - one[2], both[3] - one[3])
    push(stack, int(tables[mode, PRODUCT + 2]), row, other, place)


@kernel(types.void(types.uint64[::1], STACK, types.int64, FOUR, types.float64, VECTOR))
def transverse_pair(rng: Any, stack: Any, row: int, p: Any, mass: float, place: Any) -> None:
    """Let a vector that a pi0 made beside a photon decay to e+ e-: it is transverse, so 1 + cos^2 to its flight."""
    mother = momentum_of(stack, int(stack[row, MOTHER]))
    x, y, z, _ = boosted(mother, (-p[0], -p[1], -p[2], p[3]), mass)
    size = np.sqrt(x * x + y * y + z * z)
    k = momentum_in_two(mass, M_ELECTRON_GEV, M_ELECTRON_GEV)
    n = around(rng, (x / size, y / size, z / size), pair_cosine(rng, DALITZ, 2.0 * k / mass))
    one = boosted((k * n[0], k * n[1], k * n[2], 0.5 * mass), p, mass)
    push(stack, -ELECTRON, row, one, place)
    push(stack, ELECTRON, row, (p[0] - one[0], p[1] - one[1], p[2] - one[2], p[3] - one[3]), place)


@kernel("float64(float64)")
def pair_threshold(q2: float) -> float:
    """Return (1 - 4 m^2/q2)^{1/2} (1 + 2 m^2/q2) of a pair of electrons: at most 1."""
    ratio = M_ELECTRON_GEV * M_ELECTRON_GEV / q2
    return np.sqrt(max(1.0 - 4.0 * ratio, 0.0)) * (1.0 + 2.0 * ratio)


@kernel(
    types.void(types.uint64[::1], STACK, types.int64, FOUR, types.float64, VECTOR, types.int64, types.float64)
)
def four_leptons(
    rng: Any, stack: Any, mother: int, p: Any, mass: float, place: Any, single: int, m_single: float
) -> None:
    """Let a particle decay by two virtual photons to e+ e- e+ e-, beside one of mass `m_single` if `single` is not 0.

    Each photon's mass squared is drawn from 1/q2, the rest from phase space; exchange is neglected.
    """
    low = 4.0 * M_ELECTRON_GEV * M_ELECTRON_GEV
    high = (mass - m_single) ** 2
    while True:
        a = np.sqrt(low * (high / low) ** chance.uniform(rng))
        b = np.sqrt(low * (high / low) ** chance.uniform(rng))
        if a + b + m_single >= mass or chance.uniform(rng) > pair_threshold(a * a) * pair_threshold(b * b):
            continue
        if single == 0:
            k = momentum_in_two(mass, a, b)
            # lambda^{3/2}: a pseudoscalar to two vectors.
            if chance.uniform(rng) * (0.5 * mass) ** 3 < k**3:
                n = isotropic(rng)
                first = boosted((k * n[0], k * n[1], k * n[2], np.sqrt(k * k + a * a)), p, mass)
                second = (p[0] - first[0], p[1] - first[1], p[2] - first[2], p[3] - first[3])
                break
        else:
            # Phase space of three: the mass of both photons together, then two decays in two.
            span = mass - m_single - a - b
            both = a + b + span * chance.uniform(rng)
            k, inner = momentum_in_two(mass, m_single, both), momentum_in_two(both, a, b)
            if chance.uniform(rng) * mass**3 < 4.0 * k * inner * span:
                n = isotropic(rng)
                frame = boosted((k * n[0], k * n[1], k * n[2], np.sqrt(k * k + both * both)), p, mass)
                rest = (p[0] - frame[0], p[1] - frame[1], p[2] - frame[2], p[3] - frame[3])
                push(stack, single, mother, rest, place)
                n = isotropic(rng)
                e = np.sqrt(inner * inner + a * a)
                first = boosted((inner * n[0], inner * n[1], inner * n[2], e), frame, both)
                second = (frame[0] - first[0], frame[1] - first[1], frame[2] - first[2], frame[3] - first[3])
                break
    two_body(rng, stack, mother, first, a, place, -ELECTRON, M_ELECTRON_GEV, ELECTRON, M_ELECTRON_GEV)
    two_body(rng, stack, mother, second, b, place, -ELECTRON, M_ELECTRON_GEV, ELECTRON, M_ELECTRON_GEV)
