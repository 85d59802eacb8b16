"""Matrix elements: how often products come out with given energies, beside phase space.

Energies in GeV in the rest frame of the particle that decays, products in the order of the mode. In a decay in three
phase space is flat in two of the energies. A weight need not be normalised; only its ratio to the largest matters.
Formulas and their parameters: reviews of the Particle Data Group, unless another source is named.

Masses and parameters come in the decay tables, see `tables`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.simulate.decays.tables import (
    BREMSSTRAHLUNG,
    LEPTONS,
    MASS,
    NEUTRINOS,
    PARAMETER,
    PHOTONS,
    SEMILEPTONIC,
    SLOPES,
)
from trigger.jit import kernel
from trigger.particles import M_PION_GEV


@kernel("float64(float64[:, ::1], int64, float64, float64, float64)")
def slopes_weight(tables: Any, mode: int, mass: float, e1: float, e2: float) -> float:
    """K -> 3 pi: 1 + g u + h u^2 + k v^2 with u = (s3 - s0) / m_pi^2, v = (s1 - s2) / m_pi^2, the third pion the
    odd one.

    parameters: g, h, k.
    """
    e3 = mass - e1 - e2
    s1 = mass * mass + tables[mode, MASS] ** 2 - 2.0 * mass * e1
    s2 = mass * mass + tables[mode, MASS + 1] ** 2 - 2.0 * mass * e2
    s3 = mass * mass + tables[mode, MASS + 2] ** 2 - 2.0 * mass * e3
    unit = M_PION_GEV * M_PION_GEV
    u, v = (s3 - (s1 + s2 + s3) / 3.0) / unit, (s1 - s2) / unit
    return (
        1.0
        + tables[mode, PARAMETER] * u
        + tables[mode, PARAMETER + 1] * u * u
        + tables[mode, PARAMETER + 2] * v * v
    )


@kernel("float64(float64[:, ::1], int64, float64, float64, float64)")
def semileptonic_weight(tables: Any, mode: int, mass: float, e1: float, e2: float) -> float:
    """K -> pi l nu, products in this order: A f+^2 + B f+ f- + C f-^2 (Chounet, Gaillard, Gaillard, Phys. Rep. 4,
    199).

    parameters: lambda', lambda'' of f+ = 1 + lambda' t / m_pi^2 + lambda'' (t / m_pi^2)^2 / 2, and lambda0 of
    f0 = 1 + lambda0 t / m_pi^2, with the mass of the charged pion.
    """
    pion2, lepton2 = tables[mode, MASS] ** 2, tables[mode, MASS + 1] ** 2
    t = mass * mass + pion2 - 2.0 * mass * e1
    unit = t / (M_PION_GEV * M_PION_GEV)
    plus = 1.0 + tables[mode, PARAMETER] * unit + 0.5 * tables[mode, PARAMETER + 1] * unit * unit
    zero = 1.0 + tables[mode, PARAMETER + 2] * unit
    minus = (zero - plus) * (mass * mass - pion2) / t
    below = (mass * mass + pion2 - lepton2) / (2.0 * mass) - e1
    neutrino = mass - e1 - e2
    a = mass * (2.0 * e2 * neutrino - mass * below) + lepton2 * (0.25 * below - neutrino)
    b = lepton2 * (neutrino - 0.5 * below)
    c = 0.25 * lepton2 * below
    return a * plus * plus + b * plus * minus + c * minus * minus


@kernel("float64(float64[:, ::1], int64, float64, float64, float64)")
def bremsstrahlung_weight(tables: Any, mode: int, mass: float, e1: float, e2: float) -> float:
    """K -> gamma mu nu, products in this order: inner bremsstrahlung (Bijnens, Ecker, Gasser, Nucl. Phys. B396, 81).

    parameters: the largest energy of the muon, which keeps the soft photons out.
    """
    if e2 > tables[mode, PARAMETER]:
        return 0.0
    x, y, r = 2.0 * e1 / mass, 2.0 * e2 / mass, (tables[mode, MASS + 1] / mass) ** 2
    beyond = x + y - 1.0 - r
    if beyond <= 0.0:
        return 0.0
    bracket = x * x + 2.0 * (1.0 - x) * (1.0 - r) - 2.0 * x * r * (1.0 - r) / beyond
    return (1.0 - y + r) / (x * x * beyond) * bracket


@kernel("float64(float64, float64, float64, float64)")
def bremsstrahlung_density(mass: float, lepton: float, e1: float, e2: float) -> float:
    """Return e1 times x + y - 1 - r, by which the weight is finite: both are drawn from 1/e."""
    return e1 * max(2.0 * (e1 + e2) / mass - 1.0 - (lepton / mass) ** 2, 0.0)


@kernel("float64(int64, float64[:, ::1], int64, float64, float64, float64)")
def three_body_weight(shape: int, tables: Any, mode: int, mass: float, e1: float, e2: float) -> float:
    """Weight of a decay in three at the energies e1, e2 of the first two products."""
    if shape == SLOPES:
        return slopes_weight(tables, mode, mass, e1, e2)
    if shape == SEMILEPTONIC:
        return semileptonic_weight(tables, mode, mass, e1, e2)
    if shape == BREMSSTRAHLUNG:
        return bremsstrahlung_weight(tables, mode, mass, e1, e2)
    return 1.0


@kernel("float64(float64, float64, float64)")
def triangle(a: float, b: float, c: float) -> float:
    """Return the triangle function lambda(a, b, c), at least 0."""
    return max(a * a + b * b + c * c - 2.0 * (a * b + b * c + c * a), 0.0)


@kernel("float64(float64)")
def loop(x: float) -> float:
    """Return |F| of the pion loop's function with its sign below threshold, see `photons_weight`."""
    return 1.0 - 4.0 / x * np.arcsin(np.sqrt(x) / 2.0) ** 2


@kernel("float64(float64, float64, float64)")
def photons_weight(c: float, z: float, r2: float) -> float:
    """K -> pi gamma gamma at O(p^4): z^2 |A|^2 lambda^{1/2} (Ecker, Pich, de Rafael, Nucl. Phys. B303, 665).

    A z = (r^2 - 1 - z) F(z / r^2) + (1 - r^2 - z) F(z) + c z with F(x) = 1 - 4/x arcsin^2(sqrt(x) / 2), continued
    above x = 4. z = (m_gg / m_K)^2, r = m_pi / m_K. c: of order 1. The pole term is left out: it is a tenth of it
    at most.
    """
    x = z / r2
    if x <= 4.0:
        real, imaginary = loop(x), 0.0
    else:
        root = np.sqrt(1.0 - 4.0 / x)
        logarithm = np.log((1.0 - root) / (1.0 + root))
        real = 1.0 + (logarithm * logarithm - np.pi * np.pi) / x
        imaginary = 2.0 * np.pi * logarithm / x
    front = r2 - 1.0 - z
    total = front * real + (1.0 - r2 - z) * loop(z) + c * z
    return (total * total + (front * imaginary) ** 2) * np.sqrt(triangle(1.0, z, r2))


@kernel("float64(int64, float64[:, ::1], int64, float64, float64)")
def pair_weight(shape: int, tables: Any, mode: int, mass: float, q2: float) -> float:
    """Weight of a decay of `mass` into one particle and a pair, at q2 = m_pair^2.

    NEUTRINOS: K -> pi nu nu, lambda^{3/2} f+^2; parameters: lambda', lambda''. LEPTONS: K -> pi l l, lambda^{3/2}
    (1 - 4 m^2/q2)^{1/2} (1 + 2 m^2/q2) (a + b z)^2; parameters: a, b; the pion loop term is left out. PHOTONS: see
    `photons_weight`. DALITZ: pi0 -> gamma e e, without the 1/q2, in which q2 is drawn; parameters: the form
    factor's slope.
    """
    single, lepton = tables[mode, MASS], tables[mode, MASS + 1]
    z, r2 = q2 / (mass * mass), (single / mass) ** 2
    if shape == NEUTRINOS:
        unit = q2 / (M_PION_GEV * M_PION_GEV)
        plus = 1.0 + tables[mode, PARAMETER] * unit + 0.5 * tables[mode, PARAMETER + 1] * unit * unit
        return triangle(1.0, z, r2) ** 1.5 * plus * plus
    if shape == PHOTONS:
        return photons_weight(tables[mode, PARAMETER], z, r2)
    ratio = lepton * lepton / q2
    threshold = np.sqrt(max(1.0 - 4.0 * ratio, 0.0)) * (1.0 + 2.0 * ratio)
    if shape == LEPTONS:
        return (
            triangle(1.0, z, r2) ** 1.5
            * threshold
            * (tables[mode, PARAMETER] + tables[mode, PARAMETER + 1] * z) ** 2
        )
    return (1.0 - z) ** 3 * threshold * (1.0 + tables[mode, PARAMETER] * z) ** 2
